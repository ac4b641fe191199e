"""Responses and errors of the server, read by plain HTTP and by refimpl's clients."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from refimpl import (
    CohereEmbeddingFunction,
    CohereRerankFunction,
    JinaEmbeddingFunction,
    JinaRerankFunction,
    OpenAIEmbeddingFunction,
    TEIEmbeddingFunction,
    TEIRerankFunction,
    VoyageEmbeddingFunction,
    VoyageRerankFunction,
)
from refimpl.http import AuthenticationError, BadRequestError
from refimpl.serve.engine import Engine
from refimpl.serve.limits import Limits
from refimpl.tokens import Tokens

QUERY = "Which planet is known as the Red Planet?"
DOCUMENTS = ["Venus is Earth's twin.", "Mars is often called the Red Planet.", "Jupiter is the largest planet."]
ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0  # for what takes no time on a machine that does nothing else
JSON_HEAD = b"POST /rerank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def post(url: str, body: Any, **options: Any) -> requests.Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **options.pop("headers", {})}
    return requests.post(url, data=data, timeout=PATIENCE_S, headers=headers, **options)


class TestOwnClients:
    @pytest.mark.parametrize(
        "make",
        [
            lambda url: JinaRerankFunction(base_url=url),
            lambda url: JinaRerankFunction(base_url=f"{url}/rerank"),
            lambda url: JinaRerankFunction(base_url=url, return_documents=True),
            lambda url: CohereRerankFunction(base_url=url),
            lambda url: CohereRerankFunction(base_url=url, api_version="v1"),
            lambda url: VoyageRerankFunction(base_url=url),
            lambda url: TEIRerankFunction(url),
            lambda url: TEIRerankFunction(url, max_documents=1),
        ],
    )
    def test_scores_are_the_local_rerankers(self, url: str, engine: Engine, make: Any) -> None:
        local = engine.reranker(QUERY, DOCUMENTS, top_k=2)
        remote = make(url)(QUERY, DOCUMENTS, top_k=2)
        assert [result.index for result in remote] == [result.index for result in local] == [1, 2]
        np.testing.assert_allclose([r.score for r in remote], [r.score for r in local], rtol=0, atol=1e-6)

    @pytest.mark.parametrize(
        "make",
        [
            lambda url: OpenAIEmbeddingFunction("any", base_url=url),
            lambda url: OpenAIEmbeddingFunction("any", base_url=f"{url}/v1", encoding_format="float", dimensions=384),
            lambda url: JinaEmbeddingFunction("any", base_url=url),
            lambda url: JinaEmbeddingFunction("any", base_url=url, embedding_type="base64"),
            lambda url: VoyageEmbeddingFunction("any", base_url=url, truncate=True, dimension=384),
            lambda url: VoyageEmbeddingFunction("any", base_url=url, encoding_format="base64"),
            lambda url: CohereEmbeddingFunction("any", base_url=url),
            lambda url: CohereEmbeddingFunction("any", base_url=url, embedding_types=["base64"], truncate="END"),
            lambda url: CohereEmbeddingFunction("any", base_url=url, api_version="v1"),
            lambda url: TEIEmbeddingFunction(url),
            lambda url: TEIEmbeddingFunction(f"{url}/embed", truncate=True),
            lambda url: TEIEmbeddingFunction(url, batch_size=1),
        ],
    )
    def test_vectors_are_the_local_embedding_functions(self, url: str, engine: Engine, make: Any) -> None:
        local = engine.embedder(DOCUMENTS)
        remote = make(url)
        np.testing.assert_allclose(remote(DOCUMENTS), local, rtol=0, atol=1e-6)
        assert remote.dim == 384
        tokens = int(engine.embedder.tokenizer(DOCUMENTS).lengths.sum())
        assert remote.usage.tokens == (0 if remote.usage.unstated else tokens)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda url: OpenAIEmbeddingFunction("any", base_url=url, dimensions=7), "dimensions must be 384"),
            (lambda url: VoyageEmbeddingFunction("any", base_url=url, dimension=7), "output_dimension must be 384"),
            (lambda url: VoyageEmbeddingFunction("any", base_url=url, truncate=False), "longer than the model reads"),
            (lambda url: CohereEmbeddingFunction("any", base_url=url, truncate="NONE"), "longer than the model reads"),
            (lambda url: TEIEmbeddingFunction(f"{url}/embed"), "longer than the model reads"),
        ],
    )
    def test_errors_name_the_reason(self, url: str, make: Any, message: str) -> None:
        with pytest.raises(BadRequestError, match=message):
            make(url)([LONG])

    def test_the_key_is_required(self, locked_url: str) -> None:
        with pytest.raises(AuthenticationError, match="missing or wrong"):
            JinaRerankFunction(base_url=locked_url)(QUERY, DOCUMENTS)
        assert len(JinaRerankFunction(base_url=locked_url, api_key="the-key")(QUERY, DOCUMENTS)) == 3


class TestSparse:
    """TEI's /embed_sparse, which refimpl answers when a SPLADE model is named."""

    def test_scores_are_the_published_ones(self, sparse_url: str) -> None:
        """15.67 and 8.17, which splade-tiny's authors state for the first text with the two others."""
        texts = [
            "does the fish purr like a cat?",
            "a cat is a feline and likes to purr",
            "a fish is a creature that lives in water and swims",
        ]
        answer = post(f"{sparse_url}/embed_sparse", {"inputs": texts}).json()
        query, *documents = [{entry["index"]: entry["value"] for entry in row} for row in answer]
        scores = [sum(query[column] * row.get(column, 0.0) for column in query) for row in documents]
        assert scores == pytest.approx([15.67, 8.17], abs=0.005)
        assert [entry["index"] for entry in answer[0]] == sorted(query)
        (alone,) = post(f"{sparse_url}/embed_sparse", {"inputs": texts[0]}).json()
        assert [entry["index"] for entry in alone] == sorted(query)

    @pytest.mark.parametrize(
        ("body", "status", "message"),
        [
            ({"inputs": ["a", ""]}, 422, "empty string"),
            ({"inputs": []}, 400, "must not be empty"),
            ({"inputs": [1]}, 422, "inputs[0] must be a string"),
            ({"inputs": "word " * 600}, 413, "longer than the model"),
        ],
    )
    def test_errors_are_those_of_teis_other_routes(self, sparse_url: str, body: Any, status: int, message: str) -> None:
        answer = post(f"{sparse_url}/embed_sparse", body)
        assert (answer.status_code, answer.json()["error_type"]) == (status, "Validation")
        assert message in answer.json()["error"]

    def test_truncates_where_requested(self, sparse_url: str) -> None:
        (row,) = post(f"{sparse_url}/embed_sparse", {"inputs": "word " * 600, "truncate": True}).json()
        assert row

    def test_the_error_without_a_model_names_the_option(self, url: str) -> None:
        answer = post(f"{url}/embed_sparse", {"inputs": "a"})
        assert (answer.status_code, answer.json()["error_type"]) == (424, "Backend")
        assert "--splade-model splade-tiny" in answer.json()["error"]


class TestShapes:
    def test_jina(self, url: str) -> None:
        answer = post(f"{url}/v1/rerank", {"query": QUERY, "documents": DOCUMENTS, "top_n": 1, "model": "x"}).json()
        (result,) = answer["results"]
        assert result["index"] == 1
        assert result["document"] == {"text": DOCUMENTS[1]}
        assert answer["usage"]["total_tokens"] > 20

    def test_objects_with_text_are_documents(self, url: str) -> None:
        documents = [{"text": text} for text in DOCUMENTS]
        answer = post(f"{url}/v1/rerank", {"query": QUERY, "documents": documents, "return_documents": False}).json()
        assert [result["index"] for result in answer["results"]] == [1, 2, 0]
        assert "document" not in answer["results"][0]

    def test_cohere_2_echoes_nothing(self, url: str) -> None:
        answer = post(f"{url}/v2/rerank", {"query": QUERY, "documents": DOCUMENTS, "top_n": 2}).json()
        assert [set(result) for result in answer["results"]] == [{"index", "relevance_score"}] * 2

    def test_tei(self, url: str) -> None:
        body = {"query": QUERY, "texts": DOCUMENTS, "return_text": True, "truncate": True}
        answer = post(f"{url}/rerank", body).json()
        assert [entry["text"] for entry in answer] == [DOCUMENTS[1], DOCUMENTS[2], DOCUMENTS[0]]

    @pytest.mark.parametrize(
        ("path", "fields", "results", "echoed"),
        [
            ("/v1/rerank", {}, "results", {"text": DOCUMENTS[1]}),
            ("/v1/rerank", {"top_k": 1}, "data", DOCUMENTS[1]),
            ("/v2/rerank", {}, "results", None),
            ("/v2/rerank", {"return_documents": True}, "results", {"text": DOCUMENTS[1]}),
            ("/v2/rerank", {"top_k": 1}, "data", None),
            ("/rerank", {}, "results", None),
            ("/rerank", {"truncation": True}, "data", None),
        ],
    )
    def test_texts_are_echoed_by_default_where_jina_and_voyage_are_served(
        self, url: str, path: str, fields: dict[str, Any], results: str, echoed: Any
    ) -> None:
        response = post(url + path, {"query": QUERY, "documents": DOCUMENTS, **fields}).json()
        assert response[results][0].get("document") == echoed

    def test_embeddings_in_both_encodings(self, url: str, engine: Engine) -> None:
        expected = engine.embedder(DOCUMENTS)
        floats = post(f"{url}/v1/embeddings", {"input": DOCUMENTS, "model": "x"}).json()
        packed = post(f"{url}/v1/embeddings", {"input": DOCUMENTS, "encoding_format": "base64"}).json()
        tei = post(f"{url}/embed", {"inputs": DOCUMENTS}).json()
        assert [entry["index"] for entry in floats["data"]] == [0, 1, 2]
        decoded = [np.frombuffer(base64.b64decode(entry["embedding"]), "<f4") for entry in packed["data"]]
        for found in ([entry["embedding"] for entry in floats["data"]], decoded, tei):
            np.testing.assert_allclose(np.array(found), expected, rtol=0, atol=1e-6)

    def test_one_string_is_a_list_of_it(self, url: str) -> None:
        assert len(post(f"{url}/v1/embeddings", {"input": "a"}).json()["data"]) == 1
        assert len(post(f"{url}/embed", {"inputs": "a"}).json()) == 1

    def test_health_needs_no_key(self, locked_url: str) -> None:
        answer = requests.get(f"{locked_url}/health", timeout=PATIENCE_S)
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")

    def test_scores_of_a_logit_model_are_probabilities_by_default(self, serve: Any, engine: Engine) -> None:
        class Fixed:
            gives_logits = True

            def tokens(self, query: str, documents: list[str]) -> Tokens:
                return engine.reranker.tokens(query, documents)

            def raw_scores(self, tokens: Tokens) -> Any:
                return np.array([0.0, 2.0, -800.0])

        url = serve(reranker=Fixed())
        body = {"query": QUERY, "documents": DOCUMENTS}
        scores = [entry["relevance_score"] for entry in post(f"{url}/v1/rerank", body).json()["results"]]
        assert scores == pytest.approx([0.8807970779778823, 0.5, 0.0], abs=1e-15)  # 1 / (1 + exp(-2))
        raw = post(f"{url}/rerank", {"query": QUERY, "texts": DOCUMENTS, "raw_scores": True, "truncate": True}).json()
        assert [entry["score"] for entry in raw] == [2.0, 0.0, -800.0]

    def test_a_score_that_is_not_finite_is_a_server_error(self, serve: Any, engine: Engine) -> None:
        class Broken:
            gives_logits = False
            tokens = staticmethod(engine.reranker.tokens)

            def raw_scores(self, tokens: Tokens) -> Any:
                return np.array([0.5, np.nan, 0.1])

        answer = post(f"{serve(reranker=Broken())}/rerank", {"query": QUERY, "documents": DOCUMENTS})
        assert (answer.status_code, "not finite" in answer.text) == (500, True)


LONG = "planet " * 400


class TestErrors:
    @pytest.mark.parametrize(
        ("path", "body", "status", "message"),
        [
            ("/v1/rerank", b"{", 400, "no JSON"),
            ("/v1/rerank", b'{"query": NaN}', 400, "no JSON"),
            ("/v1/rerank", b"\xff", 400, "no JSON"),
            ("/v1/rerank", [], 422, "JSON object"),
            ("/v1/rerank", {}, 422, "query must be a string"),
            ("/v1/rerank", {"query": " ", "documents": ["a"]}, 422, "query must not be empty"),
            ("/v1/rerank", {"query": "q"}, 422, "documents must be a list"),
            ("/v1/rerank", {"query": "q", "documents": []}, 400, "must not be empty"),
            ("/v1/rerank", {"query": "q", "documents": "abc"}, 422, "documents must be a list"),
            ("/v1/rerank", {"query": "q", "documents": [1]}, 422, "documents[0] must be a string"),
            ("/v1/rerank", {"query": "q", "documents": [{"title": "a"}]}, 422, "documents[0] must be a string"),
            ("/v1/rerank", b'{"query": "q", "documents": ["\\ud800"]}', 422, "lone surrogate"),
            ("/v1/rerank", {"query": "q", "documents": ["a"], "top_n": 0}, 422, "top_n"),
            ("/v1/rerank", {"query": "q", "documents": ["a"], "top_n": True}, 422, "top_n"),
            ("/v1/rerank", {"query": "q", "documents": ["a"], "return_documents": "yes"}, 422, "return_documents"),
            ("/v2/rerank", {"query": "q", "documents": ["a"] * 1001}, 422, "may hold 1000 texts, got 1001"),
            ("/v1/rerank", {"query": "q", "documents": [LONG], "truncation": False}, 413, "longer than the model"),
            ("/rerank", {"query": "q", "texts": [LONG]}, 413, "longer than the model"),
            ("/embed", {"inputs": LONG}, 413, "longer than the model"),
            ("/embed", {"inputs": ["a", ""]}, 422, "empty string"),
            ("/embed", {"inputs": ["a"], "normalize": "no"}, 422, "normalize"),
            ("/v1/embeddings", {"input": [[1, 2]]}, 400, "input[0] must be 2 to 256 token ids"),
            ("/v1/embeddings", {"input": "a", "dimensions": 256}, 400, "dimensions must be 384"),
            ("/v1/embeddings", {"input": "a", "encoding_format": "hex"}, 400, "encoding_format"),
        ],
    )
    def test_have_the_shape_of_the_route(self, url: str, path: str, body: Any, status: int, message: str) -> None:
        answer = post(url + path, body)
        assert answer.status_code == status
        fault = answer.json()
        places = {"/v1/rerank": "detail", "/v2/rerank": "message"}
        received = fault["error"]["message"] if path == "/v1/embeddings" else fault[places.get(path, "error")]
        assert message in received

    @pytest.mark.parametrize("header", [None, "the-key", "Bearer", "Bearer wrong", "Basic the-key", "Bearer the-keyé"])
    def test_a_wrong_key(self, locked_url: str, header: str | None) -> None:
        headers = {"Authorization": header.encode()} if header else {}
        answer = post(f"{locked_url}/v1/embeddings", {"input": "a"}, headers=headers)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "the-key" not in answer.text

    def test_another_path_or_method(self, url: str) -> None:
        assert post(f"{url}/v3/rerank", {}).status_code == 404
        assert requests.get(f"{url}/v1/rerank", timeout=PATIENCE_S).status_code == 405

    def test_a_body_beyond_the_limit(self, serve: Any) -> None:
        url = serve(limits=Limits(max_bytes=1000))
        assert post(f"{url}/rerank", b" " * 1001).status_code == 413

    def test_a_body_that_arrives_too_slowly(self, serve: Any) -> None:
        url = serve(limits=Limits(body_timeout_s=0.3))
        with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=PATIENCE_S) as client:
            client.sendall(JSON_HEAD + b"Content-Length: 100\r\n\r\n{")
            assert client.recv(100).startswith(b"HTTP/1.1 408")

    def test_too_many_waiting_requests_get_429(self, serve: Any, engine: Engine) -> None:
        free, computing = threading.Event(), threading.Event()

        class Slow:
            gives_logits = False
            tokens = staticmethod(engine.reranker.tokens)

            def raw_scores(self, tokens: Tokens) -> Any:
                computing.set()
                assert free.wait(PATIENCE_S)
                return np.zeros(len(tokens))

        url = serve(reranker=Slow(), limits=Limits(max_waiting=1))
        answers: list[requests.Response] = []
        body = {"query": "q", "documents": ["a"]}
        threads = [threading.Thread(target=lambda: answers.append(post(f"{url}/rerank", body))) for _ in range(4)]
        threads[0].start()
        assert computing.wait(PATIENCE_S)  # alone: requests that wait together are computed together
        threads[1].start()
        eventually(lambda: "refimpl_waiting_requests 2.0" in requests.get(f"{url}/metrics", timeout=PATIENCE_S).text)
        for thread in threads[2:]:  # requests whose bodies are still read are not counted
            thread.start()
        eventually(lambda: len(answers) == 2)
        assert [(answer.status_code, answer.headers["Retry-After"]) for answer in answers] == [(429, "1")] * 2
        free.set()
        for thread in threads:
            thread.join()
        assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]


class TestCommand:
    def start(self, *options: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "refimpl", "serve", "--port", "0", *options]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        return process, process.stdout.readline().split()[0]

    @pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
    def test_serves_and_stops_cleanly(self, signum: int) -> None:
        process, url = self.start(REFIMPL_SERVE_KEY="the-key")
        try:
            assert requests.get(f"{url}/health", timeout=PATIENCE_S).json()["status"] == "ok"
            rf = TEIRerankFunction(url, api_key="the-key")
            assert rf(QUERY, DOCUMENTS)[0].index == 1
            process.send_signal(signum)
            _, errors = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
        assert (process.returncode, errors) == (0, "")

    @pytest.mark.parametrize("source", ["option", "file"])
    def test_the_key_of_the_command_line_or_of_a_file(self, source: str, tmp_path: Path) -> None:
        file = tmp_path / "key"
        file.write_text("the-key\n", encoding="utf-8")
        process, url = self.start(*(["--api-key", "the-key"] if source == "option" else ["--api-key-file", str(file)]))
        try:
            assert requests.get(f"{url}/metrics", timeout=PATIENCE_S).status_code == 401
            headers = {"Authorization": "Bearer the-key"}
            assert requests.get(f"{url}/metrics", timeout=PATIENCE_S, headers=headers).status_code == 200
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
        assert ("--api-key can be read in the list of processes" in errors) == (source == "option")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"api_key": " "}, "the API key is empty"),
            ({"api_key_file": Path("empty")}, "empty: the API key is empty"),
            ({"api_key_file": Path("two")}, "two: the API key holds whitespace"),
            ({"api_key_file": Path("absent")}, "absent"),
            ({"api_key": "a", "api_key_file": Path("two")}, "give one of them"),
        ],
    )
    def test_keys_that_are_none(
        self, arguments: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from refimpl.cli.serve import serve

        monkeypatch.chdir(tmp_path)
        Path("empty").write_text("\n", encoding="utf-8")
        Path("two").write_text("a\nb\n", encoding="utf-8")
        with pytest.raises((ValueError, OSError), match=message):
            serve(**arguments)

    def test_serves_a_splade_model_when_one_is_named(self) -> None:
        process, url = self.start("--splade-model", "splade-tiny")
        try:
            assert len(post(f"{url}/embed_sparse", {"inputs": ["a cat", "a fish"]}).json()) == 2
        finally:
            process.kill()
            process.wait()

    def test_a_taken_port(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            command = [sys.executable, "-m", "refimpl", "serve", "--port", str(taken.getsockname()[1])]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert "choose another with --port" in done.stderr
        assert "Traceback" not in done.stderr

    def test_without_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from refimpl.cli.serve import serve

        for name in [name for name in sys.modules if name.startswith("refimpl.serve.")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "uvicorn", None)
        with pytest.raises(OSError, match=r"pip install 'refimpl\[serve\]'"):
            serve()
