"""Request fields that change the answer: honoured, or refused in the provider's own form."""

import base64
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from refimpl import golden
from refimpl.providers.fields import Served
from refimpl.serve.routes import routes

TEXTS = ["Venus is Earth's twin.", "Mars is often called the Red Planet."]
HELLO = [101, 7592, 2088, 102]  # "hello world" in the vocabulary of uncased BERT
ENDS = 254 * "alpha ", 254 * "beta "  # as many tokens as the model reads, each


def post(url: str, body: Any) -> requests.Response:
    return requests.post(url, json=body, timeout=60)


def embed(url: str, inputs: Any, **fields: Any) -> np.ndarray:
    response = post(f"{url}/embed", {"inputs": inputs, **fields})
    assert response.status_code == 200, response.text
    return np.array(response.json())


def embeddings(url: str, path: str = "/v1/embeddings", **fields: Any) -> list[Any]:
    response = post(url + path, {"input": TEXTS, **fields})
    assert response.status_code == 200, response.text
    return [entry["embedding"] for entry in response.json()["data"]]


class TestTei:
    @pytest.mark.parametrize(("direction", "kept"), [("Left", 1), ("left", 1), ("Right", 0), ("right", 0)])
    def test_truncation_direction(self, url: str, direction: str, kept: int) -> None:
        found = embed(url, ENDS[0] + ENDS[1], truncate=True, truncation_direction=direction)
        np.testing.assert_allclose(found, embed(url, ENDS[kept]), rtol=0, atol=1e-6)
        assert float(found[0] @ embed(url, ENDS[1 - kept])[0]) < 0.9

    def test_unnormalised_vectors_are_transformers_mean(self, url: str) -> None:
        (pooled,) = [golden.array(one) for one in golden.vectors() if one.name == "minilm/float64.safetensors:pooled"]
        texts = dict(enumerate(golden.texts().values()))
        kept = [number for number, text in texts.items() if text]
        found = embed(url, [texts[number] for number in kept], truncate=True, normalize=False)
        np.testing.assert_allclose(found, pooled[kept], rtol=0, atol=1e-5)

    def test_dimensions_are_the_first_of_a_vector_renormalised(self, url: str) -> None:
        first = embed(url, TEXTS)[:, :64]
        expected = first / np.sqrt((first**2).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(embed(url, TEXTS, dimensions=64), expected, rtol=0, atol=1e-6)
        np.testing.assert_allclose(
            embed(url, TEXTS, dimensions=64, normalize=False), embed(url, TEXTS, normalize=False)[:, :64], atol=1e-6
        )

    @pytest.mark.parametrize(
        ("path", "body", "message"),
        [
            ("/embed", {"inputs": "a", "prompt_name": "query"}, "prompt_name must be null"),
            ("/embed", {"inputs": "a", "dimensions": 0}, "dimensions must be a whole number, 1 to 384, got 0"),
            ("/embed", {"inputs": "a", "dimensions": 385}, "1 to 384, got 385"),
            ("/embed", {"inputs": "a", "truncation_direction": "up"}, "must be 'Right', 'Left'"),
            ("/embed_sparse", {"inputs": "a", "truncation_direction": "left"}, "must be 'Right' or 'right'"),
            ("/rerank", {"query": "q", "texts": ["a"], "truncation_direction": "Left"}, "must be 'Right' or 'right'"),
            ("/rerank", {"query": "q", "texts": [{"text": "a"}]}, "texts[0] must be a string"),
        ],
    )
    def test_what_is_refused(self, url: str, path: str, body: Any, message: str) -> None:
        response = post(url + path, body)
        assert (response.status_code, response.json()["error_type"]) == (422, "Validation")
        assert message in response.json()["error"]

    def test_unknown_fields_are_ignored(self, url: str) -> None:
        np.testing.assert_array_equal(embed(url, "a", late_chunking=True), embed(url, "a"))


class TestTokenIds:
    @pytest.mark.parametrize(("ids", "texts"), [(HELLO, 1), ([HELLO], 1), ([HELLO, HELLO], 2)])
    def test_of_the_models_vocabulary(self, url: str, ids: Any, texts: int) -> None:
        expected = embed(url, ["hello world"] * texts)
        np.testing.assert_allclose(embed(url, ids), expected, rtol=0, atol=1e-6)
        response = post(f"{url}/v1/embeddings", {"input": ids, "model": "any"}).json()
        assert response["usage"]["total_tokens"] == 4 * texts
        np.testing.assert_allclose([one["embedding"] for one in response["data"]], expected, rtol=0, atol=1e-6)

    @pytest.mark.parametrize(
        "ids",
        [
            [15339, 1917],  # tiktoken's of "hello world"
            [101, 7592],
            [101, 30522, 102],
            [101, *[7592] * 255, 102],
            [[101, 102], [7592]],
        ],
    )
    def test_of_another_vocabulary_are_refused(self, url: str, ids: Any) -> None:
        response = post(f"{url}/v1/embeddings", {"input": ids, "model": "any"})
        assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")
        assert "check_embedding_ctx_length=False" in response.json()["error"]["message"]

    @pytest.mark.parametrize("ids", [[1, "a"], [[1], "a"], [[]], [[None]], [True, 1], [1.5], [-1], [1 << 32]])
    def test_that_are_none(self, url: str, ids: Any) -> None:
        assert post(f"{url}/v1/embeddings", {"input": ids}).status_code == 422


class TestOpenAi:
    def test_base64_is_of_little_endian_float32(self, url: str) -> None:
        packed = [np.frombuffer(base64.b64decode(one), "<f4") for one in embeddings(url, encoding_format="base64")]
        np.testing.assert_allclose(packed, embed(url, TEXTS), rtol=0, atol=1e-6)

    @pytest.mark.parametrize("path", ["/v1/embeddings", "/embeddings"])
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"dimensions": 256}, "dimensions must be 384"),
            ({"user": 1}, "user must be a string"),
            ({"model": []}, "model must be a string"),
            ({"encoding_format": "hex"}, "'float' or 'base64'"),
            ({"wide": True}, "Unrecognized request argument supplied: wide"),
            ({"x" * 10_000: 1}, "Unrecognized request argument supplied: xxx"),
        ],
    )
    def test_what_is_refused(self, url: str, path: str, fields: Any, message: str) -> None:
        response = post(url + path, {"input": "a", **fields})
        assert response.status_code == 400
        error = response.json()["error"]
        assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", None, None)
        assert message in error["message"]


class TestJina:
    def test_normalized(self, url: str) -> None:
        found = embeddings(url, normalized=False)
        np.testing.assert_allclose(found, embed(url, TEXTS, normalize=False), rtol=0, atol=1e-6)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"late_chunking": True}, "late_chunking must be false"),
            ({"task": "retrieval.nothing"}, "task must be 'retrieval.passage'"),
            ({"embedding_type": "int8"}, "embedding_type must be 'float'"),
            ({"task": "code", "dimensions": 128}, "dimensions must be 384"),
            ({"task": "code", "late_chunking": False, "wide": 1}, "Extra inputs are not permitted: body -> wide"),
        ],
    )
    def test_what_is_refused(self, url: str, fields: Any, message: str) -> None:
        response = post(f"{url}/v1/embeddings", {"input": "a", **fields})
        assert response.status_code == 422
        assert message in response.json()["detail"]

    def test_raw_scores_of_infinity(self, url: str) -> None:
        body = {"query": "q", "documents": TEXTS, "raw_scores": True, "return_documents": False}
        assert post(f"{url}/rerank", body).status_code == 200


@pytest.mark.parametrize("field", ["embedding_type", "output_dtype"])
def test_bits_are_packed_signs(url: str, field: str) -> None:
    signs = embed(url, TEXTS) > 0
    bits = ["".join("1" if one else "0" for one in row) for row in signs]
    expected = [[int(row[at : at + 8], 2) for at in range(0, 384, 8)] for row in bits]
    assert embeddings(url, **{field: "ubinary"}) == expected
    assert embeddings(url, **{field: "binary"}) == [[one - 128 for one in row] for row in expected]


class TestVoyage:
    def test_bits_as_base64(self, url: str) -> None:
        (text, _) = embeddings(url, output_dtype="ubinary", encoding_format="base64")
        assert list(base64.b64decode(text)) == embeddings(url, output_dtype="ubinary")[0]

    @pytest.mark.parametrize(
        ("path", "body", "message"),
        [
            ("/v1/embeddings", {"input": "a", "output_dtype": "int8"}, "the provider's own"),
            ("/v1/embeddings", {"input": "a", "output_dimension": 256}, "output_dimension must be 384"),
            ("/v1/embeddings", {"input": "a", "input_type": "passage"}, "input_type must be 'document' or 'query'"),
            ("/v1/embeddings", {"input": "a", "truncation": True, "input_type": None, "wide": 1}, "Argument 'wide' is"),
            ("/v1/rerank", {"query": "q", "documents": ["a"], "top_k": 0}, "top_k must be a whole number, 1 or more"),
        ],
    )
    def test_what_is_refused(self, url: str, path: str, body: Any, message: str) -> None:
        response = post(url + path, body)
        assert response.status_code == 400
        assert message in response.json()["detail"]


class TestCohere:
    def test_truncate_start_keeps_the_end(self, url: str) -> None:
        texts = [ENDS[0] + ENDS[1]]
        for version in ("v1", "v2"):
            answer = post(f"{url}/{version}/embed", {"texts": texts, "truncate": "START", "embedding_types": ["float"]})
            np.testing.assert_allclose(answer.json()["embeddings"]["float"], embed(url, ENDS[1]), rtol=0, atol=1e-6)

    def test_every_requested_type(self, url: str) -> None:
        types = ["binary", "float", "base64", "ubinary"]
        found = post(f"{url}/v2/embed", {"texts": TEXTS, "embedding_types": types}).json()["embeddings"]
        assert list(found) == types
        decoded = [np.frombuffer(base64.b64decode(one), "<f4") for one in found["base64"]]
        np.testing.assert_allclose(decoded, found["float"], rtol=0, atol=1e-7)
        assert found["ubinary"] == embeddings(url, output_dtype="ubinary")
        assert found["binary"] == embeddings(url, output_dtype="binary")

    @pytest.mark.parametrize(
        ("path", "body", "status", "message"),
        [
            ("/v2/embed", {"texts": ["a"], "embedding_types": ["int8"]}, 400, "the provider's own"),
            ("/v2/embed", {"texts": ["a"], "embedding_types": []}, 400, "embedding_types must be"),
            ("/v2/embed", {"texts": ["a"], "truncate": "MIDDLE"}, 400, "truncate must be 'NONE', 'START' or 'END'"),
            ("/v2/embed", {"texts": ["a"], "images": ["b"]}, 400, "images must be null"),
            ("/v2/embed", {"texts": ["a"], "input_type": "image"}, 400, "input_type must be"),
            ("/v2/embed", {"texts": ["a"], "max_tokens": 255}, 400, "max_tokens must be 256 or more"),
            ("/v2/embed", {"texts": ["a"], "wide": 1}, 422, "unknown field: parameter 'wide' is not a valid field"),
            (
                "/v1/embed",
                {"texts": ["a"], "output_dimension": 384},
                422,
                "unknown field: parameter 'output_dimension'",
            ),
            ("/v2/rerank", {"query": "q", "documents": ["a"], "max_tokens_per_doc": 8}, 400, "max_tokens_per_doc"),
            ("/v1/rerank", {"query": "q", "documents": ["a"], "max_chunks_per_doc": 1}, 400, "max_chunks_per_doc"),
            ("/v1/rerank", {"query": "q", "documents": ["a"], "rank_fields": ["b"]}, 400, "rank_fields must be null"),
        ],
    )
    def test_what_is_refused(self, url: str, path: str, body: Any, status: int, message: str) -> None:
        response = post(url + path, body)
        assert response.status_code == status, response.text
        assert message in response.json()["message"]


def test_the_page_names_every_field() -> None:
    served = Served(dim=384, max_length=256, vocab=30522, max_texts=1000, max_chars=1000)
    page = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
    table = page.partition("## Fields of a request")[2].partition("\n## ")[0]
    fields = {field for route in routes(served) for one in route.own for field in one.fields}
    assert fields - set(re.findall(r"`([a-z_]+)`", table)) == set()
