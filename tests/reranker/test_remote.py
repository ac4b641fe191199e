"""Remote rerankers against servers that fail: each case ends in the right result or the right error, in time."""

import email.utils
import itertools
import json
import logging
import socket
import time
from typing import Any

import pytest
from remote_faults import KEY, STATUSES, everything
from rerank_exchange import DOCUMENTS, GOOD, QUERY, RIGHT, jina, plain
from werkzeug import Request, Response

from refimpl import CohereRerankFunction, JevRerankFunction, JinaRerankFunction, TEIRerankFunction, VoyageRerankFunction
from refimpl.http import (
    AuthenticationError,
    BadRequestError,
    ProtocolError,
    RateLimitError,
    RemoteError,
    ServerError,
    UnreachableError,
)


class TestStatuses:
    @pytest.mark.parametrize(
        ("status", "body", "kind", "message"),
        STATUSES,
    )
    def test_each_status_has_its_error_with_the_servers_message(
        self, httpserver: Any, status: int, body: bytes, kind: type[RemoteError], message: str
    ) -> None:
        httpserver.expect_request("/v1/rerank").respond_with_data(body, status)
        with pytest.raises(kind, match=message) as caught:
            jina(httpserver.url_for(""), max_retries=0)(QUERY, DOCUMENTS)
        assert type(caught.value) is kind
        assert caught.value.status == status

    @pytest.mark.parametrize(
        ("make", "path"),
        [
            (lambda url: JinaRerankFunction(base_url=url, api_key=KEY), "/v1/rerank"),
            (lambda url: CohereRerankFunction(base_url=url, api_key=KEY), "/v2/rerank"),
            (lambda url: CohereRerankFunction(base_url=url, api_key=KEY, api_version="v1"), "/v1/rerank"),
            (lambda url: VoyageRerankFunction(base_url=url, api_key=KEY), "/v1/rerank"),
            (lambda url: TEIRerankFunction(url, api_key=KEY), "/rerank"),
            (lambda url: JevRerankFunction(base_url=url, api_key=KEY), "/v1/systemone"),
        ],
    )
    def test_every_client_names_a_bad_key_at_once(self, httpserver: Any, make: Any, path: str) -> None:
        httpserver.expect_request(path, headers={"Authorization": f"Bearer {KEY}"}).respond_with_data("", 401)
        with pytest.raises(AuthenticationError, match="check api_key"):
            make(httpserver.url_for(""))(QUERY, DOCUMENTS)
        assert len(httpserver.log) == 1


class TestRetries:
    @pytest.mark.parametrize("statuses", [[500, 500], [408], [429, 503], [502, 504, 500]])
    def test_temporary_failures_are_retried(self, httpserver: Any, statuses: list[int]) -> None:
        answers = iter([Response("", status) for status in statuses] + [Response(json.dumps(GOOD))])
        httpserver.expect_request("/v1/rerank").respond_with_handler(lambda _: next(answers))
        assert plain(jina(httpserver.url_for(""))(QUERY, DOCUMENTS)) == RIGHT
        assert len(httpserver.log) == len(statuses) + 1

    @pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422, 501])
    def test_permanent_failures_are_not_retried(self, httpserver: Any, status: int) -> None:
        httpserver.expect_request("/v1/rerank").respond_with_data("", status)
        with pytest.raises(RemoteError):
            jina(httpserver.url_for(""))(QUERY, DOCUMENTS)
        assert len(httpserver.log) == 1

    def test_cohere_retries_a_conflict(self, httpserver: Any) -> None:
        answers = iter([Response("", 409), Response(json.dumps(GOOD))])
        httpserver.expect_request("/v2/rerank").respond_with_handler(lambda _: next(answers))
        rf = CohereRerankFunction(base_url=httpserver.url_for(""))
        assert plain(rf(QUERY, DOCUMENTS)) == RIGHT

    def test_gives_up_after_max_retries(self, httpserver: Any) -> None:
        httpserver.expect_request("/v1/rerank").respond_with_data('{"detail": "busy"}', 503)
        with pytest.raises(ServerError, match="busy"):
            jina(httpserver.url_for(""), max_retries=2)(QUERY, DOCUMENTS)
        assert len(httpserver.log) == 3

    @pytest.mark.parametrize(
        ("headers", "at_least_s"),
        [
            ({"Retry-After": "1"}, 1.0),
            ({"Retry-After": "0.3"}, 0.3),
            ({"Retry-After": "date"}, 0.5),
            ({"retry-after-ms": "400", "Retry-After": "9"}, 0.4),
            ({"X-RateLimit-Reset": "epoch"}, 0.5),
            ({"Retry-After": "soon"}, 0.0),
            ({"Retry-After": "-5"}, 0.0),
            ({"Retry-After": "nan"}, 0.0),
            ({"Retry-After": "Sat, 01 Jan 2000 00:00:00 GMT"}, 0.0),
        ],
    )
    def test_waits_as_the_server_requests(self, httpserver: Any, headers: dict[str, str], at_least_s: float) -> None:
        if headers.get("Retry-After") == "date":  # whole seconds: between 1 and 2 from now, so at least 0.5 is waited
            headers = {"Retry-After": email.utils.formatdate(time.time() + 2, usegmt=True)}
        if headers.get("X-RateLimit-Reset") == "epoch":
            headers = {"X-RateLimit-Reset": str(time.time() + 0.6)}
        answers = iter([Response("", 429, headers), Response(json.dumps(GOOD))])
        httpserver.expect_request("/v1/rerank").respond_with_handler(lambda _: next(answers))
        started = time.monotonic()
        assert plain(jina(httpserver.url_for(""))(QUERY, DOCUMENTS)) == RIGHT
        assert at_least_s <= time.monotonic() - started < at_least_s + 2

    def test_a_wait_beyond_the_deadline_is_not_started(self, httpserver: Any) -> None:
        httpserver.expect_request("/v1/rerank").respond_with_data("", 429, {"Retry-After": "3600"})
        started = time.monotonic()
        with pytest.raises(RateLimitError) as caught:
            jina(httpserver.url_for(""))(QUERY, DOCUMENTS)
        assert time.monotonic() - started < 2
        assert caught.value.retry_after_s == 3600


def entry(index: Any = 0, score: Any = 0.5, **more: Any) -> dict[str, Any]:
    return {"index": index, "relevance_score": score, **more}


class TestImpossibleAnswers:
    @pytest.mark.parametrize(
        ("entries", "message"),
        [
            ([entry(0), entry(1), entry(3)], "index 3 is out of range, 3 documents"),
            ([entry(0), entry(1), entry(-1)], "index -1 is out of range"),
            ([entry(0), entry(1), entry(1)], "document 1 is twice in the results"),
            ([entry(0), entry(1), entry("2")], "whole number"),
            ([entry(0), entry(1), entry(2.0)], "whole number"),
            ([entry(0), entry(1), entry(True)], "whole number"),
            ([entry(0), entry(1), entry(None)], "whole number"),
            ([entry(0), entry(1), {"relevance_score": 0.1}], "whole number"),
            ([entry(0), entry(1), entry(10**30)], "out of range"),
            ([entry(0), entry(1), entry(2, "0.9")], "score of document 2 must be a finite number"),
            ([entry(0), entry(1), entry(2, None)], "score of document 2"),
            ([entry(0), entry(1), entry(2, True)], "score of document 2"),
            ([entry(0), entry(1), entry(2, [0.9])], "score of document 2"),
            ([entry(0), entry(1), {"index": 2}], "score of document 2"),
            ([entry(0), entry(1)], "expected 3 of 3 documents, got 2, document 2 among the missing"),
            ([], "expected 3 of 3 documents, got 0"),
            ([entry(0), entry(1), None], "must be an object"),
            ([entry(0), entry(1), [2, 0.5]], "must be an object"),
            ([0.1, 0.2, 0.3], "must be an object"),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("wrap", ["results", "data", None])
    def test_are_refused_in_any_wrapping(self, httpserver: Any, entries: Any, message: str, wrap: str | None) -> None:
        httpserver.expect_request("/v1/rerank").respond_with_json({wrap: entries} if wrap else entries)
        with pytest.raises(ProtocolError, match=message):
            jina(httpserver.url_for(""))(QUERY, DOCUMENTS)

    @pytest.mark.parametrize("score", ["1e999", "-1e999"])
    def test_a_score_beyond_any_float(self, httpserver: Any, score: str) -> None:
        httpserver.expect_request("/v1/rerank").respond_with_data(f'[{{"index": 0, "score": {score}}}]')
        with pytest.raises(ProtocolError, match="finite"):
            jina(httpserver.url_for(""))(QUERY, DOCUMENTS[:1])


class TestLenientShapes:
    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"document": None},
            {"document": "Mars is red."},
            {"document": {"text": "Mars"}},
            {"document": {"text": "altered!", "multi_modal": None}},
            {"text": "altered"},
            {"document": 7},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("wrap", ["results", "data", None])
    def test_texts_are_the_callers_whatever_is_echoed(self, httpserver: Any, document: Any, wrap: str | None) -> None:
        entries = [entry(1, 0.9, **document), entry(0, 0.2, **document), entry(2, 0.1, **document)]
        httpserver.expect_request("/v1/rerank").respond_with_json({wrap: entries, "usage": {}} if wrap else entries)
        assert plain(jina(httpserver.url_for(""))(QUERY, DOCUMENTS)) == RIGHT

    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
    def test_order_and_ties_are_the_clients(self, httpserver: Any, order: tuple[int, ...]) -> None:
        scores = [0.5, 0.7, 0.5]
        httpserver.expect_request("/rerank").respond_with_json([{"index": i, "score": scores[i]} for i in order])
        results = TEIRerankFunction(httpserver.url_for(""))(QUERY, DOCUMENTS)
        assert [result.index for result in results] == [1, 0, 2]

    def test_whole_numbers_are_scores(self, httpserver: Any) -> None:
        httpserver.expect_request("/v1/rerank").respond_with_json([entry(0, 1), entry(1, -3), entry(2, 0)])
        results = jina(httpserver.url_for(""))(QUERY, DOCUMENTS)
        assert [(result.index, result.score) for result in results] == [(0, 1.0), (2, 0.0), (1, -3.0)]

    def test_more_than_top_k_is_truncated(self, httpserver: Any) -> None:
        httpserver.expect_request("/v1/rerank").respond_with_json(GOOD)
        assert plain(jina(httpserver.url_for(""))(QUERY, DOCUMENTS, top_k=1)) == RIGHT[:1]


def rerank_server(httpserver: Any, path: str, wrap: str | None, score: str) -> list[dict[str, Any]]:
    """Scores each document by the number in it, applies top_n and top_k, and records the requests."""
    requests: list[dict[str, Any]] = []

    def answer(request: Request) -> Response:
        body = request.get_json()
        requests.append(body)
        texts = body.get("documents", body.get("texts"))
        entries = [{"index": i, score: float(text.split()[-1])} for i, text in enumerate(texts)]
        entries.sort(key=lambda item: -item[score])
        entries = entries[: body.get("top_n", body.get("top_k", len(entries)))]
        return Response(json.dumps({wrap: entries} if wrap else entries))

    httpserver.expect_request(path, method="POST").respond_with_handler(answer)
    return requests


class TestRequests:
    def test_jina(self, httpserver: Any) -> None:
        sent = rerank_server(httpserver, "/v1/rerank", "results", "relevance_score")
        jina(httpserver.url_for(""))("q", ["a 1", "b 2"], top_k=1)
        assert sent == [
            {"model": "m", "query": "q", "documents": ["a 1", "b 2"], "top_n": 1, "return_documents": False}
        ]

    def test_cohere_2(self, httpserver: Any) -> None:
        sent = rerank_server(httpserver, "/v2/rerank", "results", "relevance_score")
        CohereRerankFunction("m", base_url=httpserver.url_for(""), max_tokens_per_doc=99)("q", ["a 1", "b 2"])
        assert sent == [{"model": "m", "query": "q", "documents": ["a 1", "b 2"], "top_n": 2, "max_tokens_per_doc": 99}]

    def test_cohere_1(self, httpserver: Any) -> None:
        sent = rerank_server(httpserver, "/v1/rerank", "results", "relevance_score")
        rf = CohereRerankFunction("m", base_url=httpserver.url_for(""), api_version="v1", return_documents=False)
        rf("q", ["a 1", "b 2"])
        assert sent == [
            {"model": "m", "query": "q", "documents": ["a 1", "b 2"], "top_n": 2, "return_documents": False}
        ]

    def test_voyage(self, httpserver: Any) -> None:
        sent = rerank_server(httpserver, "/v1/rerank", "data", "relevance_score")
        VoyageRerankFunction("m", base_url=httpserver.url_for("/v1"))("q", ["a 1", "b 2"], top_k=1)
        assert sent == [{"model": "m", "query": "q", "documents": ["a 1", "b 2"], "top_k": 1, "truncation": True}]

    def test_tei(self, httpserver: Any) -> None:
        sent = rerank_server(httpserver, "/rerank", None, "score")
        assert len(TEIRerankFunction(httpserver.url_for(""))("q", ["a 1", "b 2"], top_k=1)) == 1
        assert sent == [
            {"query": "q", "texts": ["a 1", "b 2"], "raw_scores": False, "return_text": False, "truncate": True}
        ]

    @pytest.mark.parametrize("base", ["", "/", "/v1", "/v1/", "/v1/rerank"])
    def test_any_way_of_writing_the_address(self, httpserver: Any, base: str) -> None:
        httpserver.expect_request("/v1/rerank").respond_with_json(GOOD)
        assert plain(jina(httpserver.url_for("") + base.removeprefix("/"))(QUERY, DOCUMENTS)) == RIGHT

    def test_unicode_is_sent_unchanged(self, httpserver: Any) -> None:
        documents = ["naïve café 1", "机器学习 2", "👩‍🚀\x00\u2028 3"]
        sent = rerank_server(httpserver, "/v1/rerank", "results", "relevance_score")
        results = jina(httpserver.url_for(""))("¿qué?", documents)
        assert sent[0]["documents"] == documents
        assert [result.text for result in results] == documents[::-1]


class TestSplitting:
    @pytest.mark.parametrize(("count", "limit", "sizes"), [(5, 2, [2, 2, 1]), (4, 2, [2, 2]), (2, 2, [2]), (1, 2, [1])])
    @pytest.mark.parametrize("top_k", [1, 3, None])
    def test_batches_are_merged_to_the_best(
        self, httpserver: Any, count: int, limit: int, sizes: list[int], top_k: int | None
    ) -> None:
        documents = [f"document {(7 * i) % 11}" for i in range(count)]
        sent = rerank_server(httpserver, "/v1/rerank", "results", "relevance_score")
        results = jina(httpserver.url_for(""), max_documents=limit)(QUERY, documents, top_k)
        expected = sorted(range(count), key=lambda i: -float(documents[i].split()[-1]))[:top_k]
        assert [result.index for result in results] == expected
        assert [result.text for result in results] == [documents[i] for i in expected]
        assert [len(body["documents"]) for body in sent] == sizes

    def test_tei_by_32_and_by_2_mb(self, httpserver: Any) -> None:
        sent = rerank_server(httpserver, "/rerank", None, "score")
        rf = TEIRerankFunction(httpserver.url_for(""))
        assert [result.index for result in rf(QUERY, [f"d {i}" for i in range(70)], 2)] == [69, 68]
        assert [len(body["texts"]) for body in sent] == [32, 32, 6]
        sent.clear()
        big = [f"{'ü' * 300_000} {i}" for i in range(5)]  # 600 kB each
        assert [result.index for result in rf(QUERY, big, 1)] == [4]
        assert [len(body["texts"]) for body in sent] == [3, 2]

    def test_jina_takes_1024_at_once(self, httpserver: Any) -> None:
        sent = rerank_server(httpserver, "/v1/rerank", "results", "relevance_score")
        jina(httpserver.url_for(""))(QUERY, [f"d {i}" for i in range(1025)], 5)
        assert [len(body["documents"]) for body in sent] == [1024, 1]

    def test_a_failing_batch_fails_the_call(self, httpserver: Any) -> None:
        answers = iter([Response('[{"index": 0, "score": 0.5}]'), Response('{"error": "no"}', 422)])
        httpserver.expect_request("/rerank").respond_with_handler(lambda _: next(answers))
        with pytest.raises(BadRequestError, match="no"):
            TEIRerankFunction(httpserver.url_for(""), max_documents=1)(QUERY, DOCUMENTS)


class TestKeys:
    @pytest.mark.parametrize("status", [401, 500, 200])
    def test_a_key_is_printed_nowhere(self, httpserver: Any, caplog: pytest.LogCaptureFixture, status: int) -> None:
        httpserver.expect_request("/v1/rerank").respond_with_data(f'{{"detail": "bad key {KEY}"}}', status)
        caplog.set_level(logging.DEBUG)
        rf = jina(httpserver.url_for(""), api_key=KEY, max_retries=1)
        with pytest.raises(RemoteError, match=r"bad key \*\*\*") as caught:
            rf(QUERY, DOCUMENTS)
        assert httpserver.log[0][0].headers["Authorization"] == f"Bearer {KEY}"
        for text in (
            repr(rf),
            str(vars(rf)),
            repr(rf._session),
            everything(caught.value),
            repr(caught.value.server_message),
            caplog.text,
        ):
            assert KEY not in text

    def test_a_key_is_printed_nowhere_when_the_connection_fails(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(UnreachableError) as caught:
            jina(url, api_key=KEY, max_retries=1)(QUERY, DOCUMENTS)
        assert KEY not in everything(caught.value) + caplog.text

    @pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "", "   "])
    def test_a_key_that_no_header_may_hold_is_refused_unprinted(self, key: str) -> None:
        with pytest.raises(ValueError, match="the API key") as caught:
            jina("https://example.org", api_key=key)
        assert not key.strip() or key not in str(caught.value)

    def test_a_line_break_at_its_end_is_cut(self, httpserver: Any) -> None:
        httpserver.expect_request("/v1/rerank", headers={"Authorization": f"Bearer {KEY}"}).respond_with_json(GOOD)
        assert plain(jina(httpserver.url_for(""), api_key=KEY + "\n")(QUERY, DOCUMENTS)) == RIGHT

    @pytest.mark.parametrize(
        ("make", "variable"),
        [
            (JinaRerankFunction, "JINAAI_API_KEY"),
            (CohereRerankFunction, "CO_API_KEY"),
            (VoyageRerankFunction, "VOYAGE_API_KEY"),
        ],
    )
    def test_the_error_without_a_key_names_the_variable(
        self, make: Any, variable: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(ValueError, match=variable):
            make()
        monkeypatch.setenv(variable, KEY)
        assert KEY not in repr(make()) + str(vars(make()))

    def test_a_provider_key_from_the_environment_stays_with_the_provider(
        self, httpserver: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JINAAI_API_KEY", KEY)
        httpserver.expect_request("/v1/rerank").respond_with_json(GOOD)
        jina(httpserver.url_for(""))(QUERY, DOCUMENTS)
        assert "Authorization" not in httpserver.log[0][0].headers


class TestScoreKind:
    def test_is_that_of_the_documentation(self, httpserver: Any) -> None:
        url = httpserver.url_for("")
        assert JinaRerankFunction(api_key=KEY).score_kind == "probability"
        assert jina(url).score_kind == "unknown"
        assert TEIRerankFunction(url).score_kind == "probability"
        assert TEIRerankFunction(url, raw_scores=True).score_kind == "logit"

    def test_until_a_score_shows_otherwise(self, httpserver: Any) -> None:
        httpserver.expect_request("/rerank").respond_with_json([{"index": 0, "score": -3.25}])
        rf = TEIRerankFunction(httpserver.url_for(""))
        rf(QUERY, DOCUMENTS[:1])
        assert rf.score_kind == "logit"


@pytest.mark.parametrize(
    "options",
    [
        {"timeout_s": 0.0},
        {"timeout_s": -1.0},
        {"timeout_s": float("nan")},
        {"timeout_s": float("inf")},
        {"max_retries": -1},
        {"max_documents": 0},
    ],
)
def test_invalid_settings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        TEIRerankFunction("http://localhost", **options)
