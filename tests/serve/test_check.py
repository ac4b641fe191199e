"""Endpoints checked over HTTP: the reference's own server in each protocol, and servers that err."""

import json

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from refimpl import CrossEncoderRerankFunction
from refimpl.check.result import CheckResult, Status
from refimpl.check.runner import check
from refimpl.check.suites.base import Settings
from refimpl.check.suites.rerank_scores import model_folder
from refimpl.check.targets.endpoint import EndpointTarget, read_ranking, read_tokens, read_vectors
from refimpl.compare.tolerance import named

pytestmark = pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning")
FLOAT32 = Settings(named("float32"), diagnose=False)


def failures(outcome: CheckResult) -> list[tuple[str, str]]:
    return [(one.case.name, one.message) for one in outcome if not one.ok]


@pytest.fixture(scope="module")
def cross_encoder_url(serve) -> str:
    return serve(reranker=CrossEncoderRerankFunction(model_folder()))


@pytest.mark.parametrize("protocol", ["tei", "openai", "jina", "voyage", "llamacpp", "mistral", "nomic", "gemini"])
def test_the_server_embeds_in_every_protocol(url: str, protocol: str) -> None:
    patterns = () if protocol == "openai" else ("empty", "padding-invariance", "order-invariance")
    outcome = check(EndpointTarget(url, protocol), ["encoder"], FLOAT32, patterns)
    assert failures(outcome) == []
    assert outcome.count(Status.skipped) == 0
    (empty,) = [one for one in outcome if one.case.name == "empty"]
    assert empty.message.startswith("refused, which is allowed")


@pytest.mark.parametrize("protocol", ["tei", "jina", "cohere", "voyage", "llamacpp", "jev"])
def test_the_server_reranks_in_every_protocol(cross_encoder_url: str, protocol: str) -> None:
    outcome = check(EndpointTarget(cross_encoder_url, protocol), ["rerank", "rerank-scores"], FLOAT32)
    assert failures(outcome) == []
    unasked = {one.case.name for one in outcome if one.status is Status.skipped}
    allowed = {"tei": {"top_k", "top_k-large"}, "cohere": {"echo"}, "llamacpp": {"echo"}}
    allowed["jev"] = {"top_k", "top_k-large", "echo"}
    assert unasked == allowed.get(protocol, set())


def test_the_server_returns_splades_weights_in_teis_protocol(sparse_url: str) -> None:
    """The suite's weights are transformers'; TEI refuses an empty text, and so may we."""
    outcome = check(EndpointTarget(sparse_url, "tei"), ["splade"], FLOAT32)
    assert failures(outcome) == []
    assert outcome.count(Status.skipped) == 0
    assert len(list(outcome)) > 5


def test_a_key_is_sent_and_its_absence_reported(locked_url: str) -> None:
    assert failures(check(EndpointTarget(locked_url, "tei", key="the-key"), ["encoder"], FLOAT32, ["question"])) == []
    ((_, message),) = failures(check(EndpointTarget(locked_url, "tei"), ["encoder"], FLOAT32, ["question"]))
    assert "check api_key" in message


def test_tasks_without_a_service_are_not_run(url: str) -> None:
    outcome = check(EndpointTarget(url, "cohere"), ["bm25"], FLOAT32)
    assert outcome.count(Status.skipped) == len(list(outcome))
    assert "NOTHING CHECKED" in outcome.summary()
    assert not outcome.ok


def test_a_server_that_is_not_there() -> None:
    ((_, message),) = failures(check(EndpointTarget("http://127.0.0.1:9", "tei"), ["encoder"], FLOAT32, ["question"]))
    assert "127.0.0.1:9" in message


def _backwards(request: Request) -> Response:
    texts = json.loads(request.data)["input"]
    data = [{"index": i, "embedding": [float(len(text))] * 384} for i, text in enumerate(texts)]
    return Response(json.dumps({"data": data[::-1]}), content_type="application/json")


def test_entries_are_read_by_index(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/embeddings").respond_with_handler(_backwards)
    target = EndpointTarget(httpserver.url_for("/v1"), "openai")
    assert [vector[0] for vector in target.run("embed", ["a", "bbb"])] == [1.0, 3.0]


def test_a_server_that_reranks_wrongly_fails_the_right_cases(httpserver: HTTPServer) -> None:
    def answer(request: Request) -> Response:  # worst first, one document forgotten
        documents = json.loads(request.data)["texts"]
        entries = [{"index": i, "score": len(text)} for i, text in enumerate(documents)][: max(1, len(documents) - 1)]
        return Response(json.dumps(sorted(entries, key=lambda e: e["score"])), content_type="application/json")

    httpserver.expect_request("/rerank").respond_with_handler(answer)
    names = {name for name, _ in failures(check(EndpointTarget(httpserver.url_for(""), "tei"), ["rerank"], FLOAT32))}
    assert {"best-first", "indices", "ties", "many-documents", "echo"} <= names


def test_shapes_of_answers() -> None:
    assert read_vectors([[1], [2]]) == [[1], [2]]
    assert read_vectors({"embeddings": {"float": [[1]]}}) == [[1]]
    (decoded,) = read_vectors({"data": [{"index": 0, "embedding": "AACAPwAAAEA="}]})
    assert decoded.tolist() == [1.0, 2.0]
    assert read_tokens({"tokens": [101, 102]}) == [[101, 102]]
    assert read_tokens([[{"id": 101, "text": "[CLS]"}]]) == [[101]]
    ranking = [{"index": 1, "relevance_score": 0.5, "document": {"text": "a"}}, {"index": 0, "score": 0.1, "text": "b"}]
    assert read_ranking({"results": ranking})[0] == {"index": 1, "score": 0.5, "text": "a"}
    assert read_ranking(ranking)[1] == {"index": 0, "score": 0.1, "text": "b"}


@pytest.mark.parametrize(
    ("read", "answer"),
    [
        (read_vectors, {"error": "no"}),
        (read_vectors, {"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}),
        (read_vectors, {"data": [{"index": 5, "embedding": [1]}]}),
        (read_vectors, {"data": [{"index": 0, "embedding": "not base64!"}]}),
        (read_tokens, "abc"),
        (read_ranking, {"results": "none"}),
        (read_ranking, None),
    ],
)
def test_invalid_shapes(read, answer) -> None:
    with pytest.raises(OSError, match=r"expected|index|base64|200 with an error: no"):
        read(answer)
