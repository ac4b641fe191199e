"""Routes that clients of TEI, llama.cpp, vLLM, Infinity and LocalAI try."""

from typing import Any

import numpy as np
import pytest
import requests

from refimpl import golden

QUERY = "Which planet is known as the Red Planet?"
DOCUMENTS = ["Venus is Earth's twin.", "Mars is often called the Red Planet.", "Jupiter is the largest planet."]


def post(url: str, body: Any) -> Any:
    response = requests.post(url, json=body, timeout=60)
    assert response.status_code == 200, response.text
    return response.json()


def get(url: str) -> Any:
    response = requests.get(url, timeout=60)
    assert response.status_code == 200, response.text
    return response.json()


class TestTei:
    def test_root_embeds_and_reranks(self, url: str) -> None:
        assert post(f"{url}/", {"inputs": DOCUMENTS}) == post(f"{url}/embed", {"inputs": DOCUMENTS})
        ranks = post(f"{url}/", {"query": QUERY, "texts": DOCUMENTS})
        assert [(one["index"], set(one)) for one in ranks] == [(index, {"index", "score"}) for index in (1, 2, 0)]

    def test_info(self, url: str) -> None:
        info = get(f"{url}/info")
        assert (info["model_id"], info["model_dtype"]) == ("all-MiniLM-L6-v2", "float32")
        assert info["model_type"] == {"embedding": {"pooling": "mean"}}
        assert (info["max_input_length"], info["max_client_batch_size"]) == (256, 1000)

    def test_tokenize(self, url: str) -> None:
        """ "naïve" is one token, as in transformers' tokenizer, since BERT strips accents."""
        ((first, word, mark, last),) = post(f"{url}/tokenize", {"inputs": "Naïve!"})
        assert first == {"id": 101, "text": "[CLS]", "special": True, "start": None, "stop": None}
        assert word == {"id": 15743, "text": "Naïve", "special": False, "start": 0, "stop": 5}
        assert mark == {"id": 999, "text": "!", "special": False, "start": 5, "stop": 6}
        assert last == {"id": 102, "text": "[SEP]", "special": True, "start": None, "stop": None}
        (bare,) = post(f"{url}/tokenize", {"inputs": ["Naïve!"], "add_special_tokens": False})
        assert bare == [word, mark]

    def test_token_ids_are_transformers(self, url: str) -> None:
        arrays = {one.tensor: golden.array(one) for one in golden.vectors() if "tokens" in one.file}
        expected = np.split(arrays["input_ids"], np.cumsum(arrays["lengths"])[:-1])
        texts = {text: ids.tolist() for text, ids in zip(golden.texts().values(), expected, strict=True) if text}
        for text, tokens in zip(texts, post(f"{url}/tokenize", {"inputs": list(texts)}), strict=True):
            kept = len(texts[text]) - 1  # of texts that are too long: /tokenize does not truncate
            assert [token["id"] for token in tokens][:kept] == texts[text][:kept]

    def test_all_of_a_long_text_is_tokenised(self, url: str) -> None:
        (tokens,) = post(f"{url}/tokenize", {"inputs": "alpha " * 1000})
        assert len(tokens) == 1002

    def test_decode(self, url: str) -> None:
        assert post(f"{url}/decode", {"ids": [101, 7592, 2088, 102]}) == ["hello world"]
        body = {"ids": [[101, 7592, 102], [2088]], "skip_special_tokens": False}
        assert post(f"{url}/decode", body) == ["[CLS] hello [SEP]", "world"]

    def test_similarity_is_the_cosine(self, url: str) -> None:
        source, *others = np.array(post(f"{url}/embed", {"inputs": [QUERY, *DOCUMENTS]}))
        body = {"inputs": {"source_sentence": QUERY, "sentences": DOCUMENTS}}
        found = post(f"{url}/similarity", body)
        np.testing.assert_allclose(found, [other @ source for other in others], rtol=0, atol=1e-6)
        assert post(f"{url}/similarity", body | {"parameters": {}}) == pytest.approx(found, abs=1e-6)
        long = {"inputs": {"source_sentence": "b " * 254, "sentences": ["a " * 254 + "b " * 254]}}
        parameters = {"truncate": True, "truncation_direction": "Left"}
        assert post(f"{url}/similarity", long | {"parameters": parameters}) == pytest.approx([1.0], abs=1e-6)

    @pytest.mark.parametrize(
        ("path", "body", "status", "message"),
        [
            ("/similarity", {"inputs": "a"}, 422, "inputs must be a JSON object"),
            ("/similarity", {"inputs": {"source_sentence": "a"}}, 422, "sentences must be a list"),
            ("/similarity", {"inputs": {"source_sentence": "a", "sentences": [""]}}, 422, "empty string"),
            ("/similarity", {"inputs": {"source_sentence": "a", "sentences": ["b " * 300]}}, 413, "longer than"),
            (
                "/similarity",
                {"inputs": {"source_sentence": "a", "sentences": ["b"]}, "parameters": {"prompt_name": "query"}},
                422,
                "prompt_name must be null",
            ),
            ("/tokenize", {"inputs": ["a", ""]}, 422, "empty string"),
            ("/tokenize", {"inputs": 1}, 422, "inputs must be a list of strings"),
            ("/tokenize", {"inputs": "a", "prompt_name": "query"}, 422, "prompt_name must be null"),
            ("/tokenize", {"inputs": "a " * 40_000}, 413, "at most 65536"),
            ("/tokenize", {"inputs": "a" * 262_145}, 413, "at most 262144"),
            ("/decode", {"ids": [30522]}, 422, "ids must be below 30522"),
            ("/decode", {"ids": []}, 400, "ids must not be empty"),
            ("/decode", {"ids": "a"}, 422, "ids must be a list of token ids"),
        ],
    )
    def test_errors(self, url: str, path: str, body: Any, status: int, message: str) -> None:
        response = requests.post(url + path, json=body, timeout=60)
        assert (response.status_code, response.json()["error_type"]) == (status, "Validation")
        assert message in response.json()["error"]


class TestLlamaCpp:
    def test_tokenize(self, url: str) -> None:
        assert post(f"{url}/tokenize", {"content": "hello world"}) == {"tokens": [7592, 2088]}
        body = {"content": "hello world", "add_special": True}
        assert post(f"{url}/tokenize", body) == {"tokens": [101, 7592, 2088, 102]}

    @pytest.mark.parametrize("path", ["/rerank", "/reranking", "/v1/rerank", "/v1/reranking"])
    def test_reranking(self, url: str, path: str) -> None:
        results = post(url + path, {"query": QUERY, "documents": DOCUMENTS, "top_n": 2})["results"]
        assert [one["index"] for one in results] == [1, 2]


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
def test_vllm_and_infinity_have_jinas_request_at_every_path(url: str, path: str) -> None:
    body = {"model": "m", "query": QUERY, "documents": DOCUMENTS, "return_documents": True, "top_n": 1}
    (result,) = post(url + path, body)["results"]
    assert result["document"] == {"text": DOCUMENTS[1]}


def test_embeddings_without_a_version(url: str) -> None:
    body = {"input": DOCUMENTS, "model": "m"}
    assert post(f"{url}/embeddings", body)["data"] == post(f"{url}/v1/embeddings", body)["data"]


@pytest.mark.parametrize("path", ["/v1/models", "/models"])
def test_models(url: str, path: str) -> None:
    listed = get(url + path)
    assert [(one["id"], one["object"]) for one in listed["data"]] == [
        ("all-MiniLM-L6-v2", "model"),
        ("maxsim", "model"),
    ]
    assert get(f"{url}{path}/maxsim") == listed["data"][1]
    unknown = requests.get(f"{url}{path}/owner/name", timeout=60)
    assert (unknown.status_code, "does not exist" in unknown.json()["error"]["message"]) == (404, True)


@pytest.mark.parametrize("path", ["/info", "/v1/models", "/models/maxsim", "/openapi.json", "/api-doc/openapi.json"])
def test_pages_need_the_key(locked_url: str, path: str) -> None:
    assert requests.get(locked_url + path, timeout=60).status_code == 401
    assert requests.get(locked_url + path, timeout=60, headers={"Authorization": "Bearer the-key"}).ok
