"""Request fields of Mistral, Nomic and Gemini: honoured, without effect, or refused in the provider's own form."""

from typing import Any

import numpy as np
import pytest
import requests

TEXTS = ["Venus is Earth's twin.", "Mars is often called the Red Planet."]


def post(url: str, body: Any) -> requests.Response:
    return requests.post(url, json=body, timeout=60)


def tei(url: str, texts: list[str] = TEXTS) -> np.ndarray:
    """The vectors of TEI's route."""
    response = post(f"{url}/embed", {"inputs": texts, "truncate": True})
    assert response.status_code == 200, response.text
    return np.array(response.json())


class TestMistral:
    @pytest.mark.parametrize("fields", [{}, {"output_dtype": "float"}, {"output_dimension": 384}])
    def test_metadata_has_no_effect(self, url: str, fields: Any) -> None:
        answer = post(f"{url}/v1/embeddings", {"input": TEXTS, "model": "m", "metadata": {"a": 1}, **fields}).json()
        np.testing.assert_allclose([one["embedding"] for one in answer["data"]], tei(url), rtol=0, atol=1e-6)

    def test_bits(self, url: str) -> None:
        answer = post(f"{url}/v1/embeddings", {"input": TEXTS, "metadata": {}, "output_dtype": "ubinary"}).json()
        bits = np.unpackbits(np.array([one["embedding"] for one in answer["data"]], np.uint8), axis=1)
        np.testing.assert_array_equal(bits, tei(url) > 0)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"output_dimension": 256}, "output_dimension must be 384"),
            ({"output_dtype": "int8"}, "the provider's own"),
            ({"encoding_format": "hex"}, "encoding_format must be 'float' or 'base64'"),
            ({"metadata": "a"}, "metadata must be a JSON object, got 'a'"),
            ({"wide": 1}, "Extra inputs are not permitted: body -> wide"),
        ],
    )
    def test_what_is_refused(self, url: str, fields: Any, message: str) -> None:
        response = post(f"{url}/v1/embeddings", {"input": "a", "metadata": {}, **fields})
        assert response.status_code == 422
        error = response.json()
        assert (error["object"], error["code"]) == ("error", 422)
        assert message in error["message"]


class TestNomic:
    @pytest.mark.parametrize("task", ["search_document", "search_query", "classification", "clustering"])
    def test_tasks_and_truncation_have_no_effect(self, url: str, task: str) -> None:
        fields = {"task_type": task, "long_text_mode": "truncate", "max_tokens_per_text": 8192, "dimensionality": 384}
        texts = [*TEXTS, "alpha " * 300]
        answer = post(f"{url}/v1/embedding/text", {"texts": texts, "model": "m", **fields}).json()
        np.testing.assert_allclose(answer["embeddings"], tei(url, texts), rtol=0, atol=1e-6)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"task_type": "query"}, "task_type must be 'search_document', 'search_query', 'classification' or"),
            ({"dimensionality": 64}, "dimensionality must be 384"),
            ({"long_text_mode": "mean"}, 'long_text_mode must be "truncate": a long text is not split'),
            ({"max_tokens_per_text": 255}, "max_tokens_per_text must be 256 or more"),
        ],
    )
    def test_what_is_refused(self, url: str, fields: Any, message: str) -> None:
        response = post(f"{url}/v1/embedding/text", {"texts": ["a"], **fields})
        assert response.status_code == 422
        assert message in response.json()["detail"]


GEMINI = "/v1beta/models/m:batchEmbedContents"


def part(text: Any = "a", **fields: Any) -> dict[str, Any]:
    """A request of one text."""
    return {"content": {"parts": [{"text": text}]}, **fields}


class TestGemini:
    @pytest.mark.parametrize("path", [GEMINI, "/v1/models/a%20b:batchEmbedContents"])
    def test_tasks_titles_and_roles_have_no_effect(self, url: str, path: str) -> None:
        first, second = map(part, TEXTS)
        first |= {"model": "models/m", "taskType": "RETRIEVAL_DOCUMENT", "title": "t", "outputDimensionality": 384}
        second["content"]["role"] = "user"
        answer = post(url + path, {"requests": [first, second]}).json()
        np.testing.assert_allclose([one["values"] for one in answer["embeddings"]], tei(url), rtol=0, atol=1e-6)

    @pytest.mark.parametrize(
        ("requested", "message"),
        [
            ([part(outputDimensionality=64)], "outputDimensionality must be 384: this model's vectors do not shorten"),
            ([part(), part(outputDimensionality=64)], "outputDimensionality must be 384"),
            ([part(taskType="QUERY")], "taskType must be 'TASK_TYPE_UNSPECIFIED', "),
            ([part(title=3)], "title must be a string, got 3"),
            (
                [part(autoTruncate=True)],
                'Unknown name "autoTruncate": Cannot find field.',
            ),
            ([{"content": {"parts": [{"text": "a", "thought": True}]}}], 'Unknown name "thought"'),
            ([{"content": {"parts": [{"text": "a"}], "name": "b"}}], 'Unknown name "name"'),
            (
                [{"content": {"parts": [{"text": "a"}, {"text": "b"}]}}],
                "must be one part with a text, got 2",
            ),
            ([part(), {"content": {"parts": []}}], "requests[1].content.parts must be one part with a text, got 0"),
            ([{"content": {"parts": "a"}}], "parts must be a list of JSON objects, got 'a'"),
            ([{"content": "a"}], "content must be a JSON object, got 'a'"),
            ([{}], "content must be a JSON object, got None"),
            (["a"], "requests must be a list of JSON objects, got ['a']"),
            ({}, "requests must be a list of JSON objects, got {}"),
            (None, "requests must be a list of JSON objects, got None"),
            ([], "requests must not be empty"),
            ([part("")], "must not hold an empty string"),
        ],
    )
    def test_what_is_refused(self, url: str, requested: Any, message: str) -> None:
        response = post(url + GEMINI, {"requests": requested})
        assert response.status_code == 400
        assert response.json()["error"]["status"] == "INVALID_ARGUMENT"
        assert message in response.json()["error"]["message"]

    def test_a_path_without_a_model_is_none(self, url: str) -> None:
        assert post(f"{url}/v1beta/models/:batchEmbedContents", {"requests": [part()]}).status_code == 404

    def test_metrics_are_those_of_the_route(self, url: str) -> None:
        post(url + GEMINI, {"requests": [part()]})
        counted = requests.get(f"{url}/metrics", timeout=60).text
        assert 'refimpl_requests_total{route="/v1beta/models/{model}:batchEmbedContents",status="200"}' in counted
        assert "models/m:" not in counted
