"""Jev's questions and answers: as pymilvus.model 0.3.4 sends and reads them, and what is refused."""

import json
from typing import Any

import pytest
import requests
from served import served
from werkzeug import Request, Response

from refimpl import JevRerankFunction, MaxSimRerankFunction
from refimpl.http import ProtocolError
from refimpl.reranker.remote import RemoteRerankFunction

QUERY = "which planet is red?"
DOCUMENTS = ["Venus is hot.", "Mars is red.", "Jupiter is large."]
BODY = {
    "state": "Scientific claim: which planet is red?",
    "model": "jev-latest",
    "questions": {
        f"d{index}": {
            "type": "noul",
            "instructions": f"Document: {text} — Does this document provide evidence relevant to the claim?",
        }
        for index, text in enumerate(DOCUMENTS)
    },
}
"""Written down from the source of pymilvus.model 0.3.4."""


def answers(*scores: Any) -> dict[str, Any]:
    return {"answers": {f"d{index}": {"noul": score} for index, score in enumerate(scores)}}


def jev(httpserver: Any, response: Any) -> JevRerankFunction:
    httpserver.expect_request("/v1/systemone", method="POST").respond_with_json(response)
    return JevRerankFunction(base_url=httpserver.url_for(""), max_retries=0)


def test_one_question_per_document(httpserver: Any) -> None:
    results = jev(httpserver, answers(0.2, 0.9, 0.5))(QUERY, DOCUMENTS, top_k=2)
    assert [(one.index, one.score, one.text) for one in results] == [(1, 0.9, DOCUMENTS[1]), (2, 0.5, DOCUMENTS[2])]
    assert httpserver.log[0][0].get_json() == BODY


def test_scores_are_probabilities(httpserver: Any) -> None:
    assert jev(httpserver, {}).score_kind == "probability"


def test_documents_beyond_the_limit_are_merged(httpserver: Any) -> None:
    def answer(request: Request) -> Response:
        texts = [one["instructions"] for one in request.get_json()["questions"].values()]
        return Response(json.dumps(answers(*(len(text) / 100 for text in texts))))

    httpserver.expect_request("/v1/systemone").respond_with_handler(answer)
    rf = JevRerankFunction(base_url=httpserver.url_for(""), max_documents=2)
    assert [one.index for one in rf(QUERY, ["aa", "a", "aaaa", "aaa", ""], top_k=None)] == [2, 3, 0, 1, 4]


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (answers(0.2, 0.9), "expected 3 of 3 documents, got 2, document 2 among the missing"),
        (answers(0.2, 0.9, None), "score of document 2 must be a finite number"),
        (answers(0.2, 0.9, "0.5"), "score of document 2 must be a finite number"),
        (answers(0.2, 0.9, 0.5, 0.5), "index 3 is out of range, 3 documents"),
        ({"answers": {"d0": {"noul": 0.5}, "claim": {"noul": 0.5}}}, "index must be a whole number"),
        ({"answers": {"d0": {"noul": 0.5}, "d01": {"noul": 0.5}}}, "index must be a whole number"),
        ({"answers": [0.5]}, "expected an object under 'answers'"),
        ({"error": "no such model"}, "200 with an error: no such model"),
        ([], "expected an object under 'answers'"),
    ],
)
def test_impossible_answers_are_refused(httpserver: Any, response: Any, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        jev(httpserver, response)(QUERY, DOCUMENTS, top_k=1)


@pytest.fixture(scope="module")
def url() -> Any:
    with served() as address:
        yield address


class TestServed:
    def test_the_server_responds_as_jev(self, url: str) -> None:
        local = MaxSimRerankFunction()(QUERY, DOCUMENTS)
        remote = JevRerankFunction(base_url=url)(QUERY, DOCUMENTS)
        assert [one.index for one in remote] == [one.index for one in local]
        assert [one.score for one in remote] == pytest.approx([one.score for one in local], abs=1e-6)
        by_record = RemoteRerankFunction("jev", base_url=url)(QUERY, DOCUMENTS)
        assert [one.index for one in by_record] == [one.index for one in local]

    def test_the_order_of_the_questions_has_no_effect(self, url: str) -> None:
        reversed_body = BODY | {"questions": dict(reversed(BODY["questions"].items()))}
        first, second = (
            requests.post(f"{url}{path}", json=body, timeout=20).json()["answers"]
            for path, body in [("/v1/systemone", BODY), ("/rerank", reversed_body)]
        )
        assert first == second

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"state": "claim"}, "state must be 'Scientific claim: ...', got 'claim'"),
            ({"state": None}, "state must be 'Scientific claim: ...', got None"),
            ({"questions": {"a": {"type": "noul"}}}, "questions must be named d0, d1, ...: questions.d0.type must be"),
            ({"questions": {"d0": {"type": "text"}}}, "questions.d0.type must be 'noul'"),
            ({"questions": {"d0": {"type": "noul", "instructions": 3}}}, "questions.d0.instructions must be 'Document"),
            ({"questions": {}}, "questions must not be empty"),
            ({"questions": ["d0"]}, "questions must be a JSON object, got ['d0']"),
        ],
    )
    def test_other_requests_are_refused(self, url: str, change: dict[str, Any], message: str) -> None:
        response = requests.post(f"{url}/v1/systemone", json=BODY | change, timeout=20)
        assert response.status_code in (400, 422)
        assert message in response.json()["detail"]


@pytest.mark.peer
def test_pymilvus_models_own_function(httpserver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pymilvus.model.reranker import jev as module

    httpserver.expect_request("/v1/systemone", json=BODY).respond_with_json(answers(0.2, 0.9, 0.5))
    monkeypatch.setattr(module, "API_URL", httpserver.url_for("/v1/systemone"))
    theirs = module.JevRerankFunction(api_key="k")(QUERY, DOCUMENTS)
    ours = JevRerankFunction(api_key="k", base_url=httpserver.url_for(""))(QUERY, DOCUMENTS)
    assert [one.to_dict() for one in ours] == [one.to_dict() for one in theirs]
