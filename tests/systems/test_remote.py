"""Systems of servers: how they are named, and a run with them through `refimpl serve`'s application."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from served import served
from werkzeug import Request, Response

from refimpl import MiniLMEmbeddingFunction, models, systems
from refimpl.datasets import open_dataset
from refimpl.search.store import MilvusStore
from refimpl.systems.remote import Service

TEXTS = {"norm": "Compute the length of a vector.", "empty": "", "tree": "Delete a whole directory tree."}
QUESTIONS = {"q1": "length of a vector", "q2": "remove a folder and all below it"}
ANSWERS = {"q1": "norm", "q2": "tree"}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JINAAI_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "service", "called", "field"),
    [
        ("openai:m", Service("openai", "m", None), "openai:m", "openai_m_"),
        (
            "openai:a/b-c@http://127.0.0.1:80/v1",
            Service("openai", "a/b-c", "http://127.0.0.1:80/v1"),
            "openai:b-c@127.0.0.1:80",
            "openai_a_b_c_http___127_0_0_1_80_v1",
        ),
        (
            "tei:http://localhost:8080",
            Service("tei", "", "http://localhost:8080"),
            "tei:localhost:8080",
            "tei__http___localhost_8080",
        ),
        ("jina:", None, "", ""),
        ("dense", None, "", ""),
        ("dense:all-mpnet-base-v2", None, "", ""),
        ("tei:", None, "", ""),
    ],
)
def test_names(name: str, service: Service | None, called: str, field: str) -> None:
    assert Service.parse(name) == service
    if service is not None:
        assert (service.name, service.field) == (called, field)


def test_the_error_without_a_key_names_the_variable() -> None:
    with pytest.raises(ValueError, match="set JINAAI_API_KEY"):
        systems.build(["jina:jina-embeddings-v3"], systems.Settings())


def test_a_documented_width_costs_no_request_and_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    ((encoder,), (system,)) = systems.build(["openai:text-embedding-3-small"], systems.Settings())
    assert (encoder.field.dim, encoder.cached, system.name) == (1536, True, "openai:text-embedding-3-small")


def test_the_error_for_a_wrong_name_holds_the_grammar() -> None:
    with pytest.raises(
        ValueError, match=r"cohere\|mistral\|nomic\|gemini:MODEL\[@ADDRESS\], tei:ADDRESS; got unknown x:y"
    ):
        systems.build(["x:y"], systems.Settings())


def test_empty_texts_are_sent_as_a_space(httpserver: Any) -> None:
    """Most servers refuse an empty text; a collection and its queries may contain one."""
    received: list[list[str]] = []

    def respond(request: Request) -> Response:
        received.append(request.get_json()["input"])
        data = [{"index": index, "embedding": [1.0, 2.0]} for index in range(len(received[-1]))]
        return Response(json.dumps({"data": data}), content_type="application/json")

    httpserver.expect_request("/v1/embeddings").respond_with_handler(respond)
    ((encoder,), _) = systems.build([f"openai:m@{httpserver.url_for('')}"], systems.Settings())
    assert encoder.field.dim == 2
    received.clear()
    assert encoder.function.encode_documents(["", "a", "\t"]).shape == (3, 2)
    assert encoder.function.encode_queries(["b", ""]).shape == (2, 2)
    assert received == [[" ", "a", "\t"], ["b", " "]]


def test_latencies_are_milliseconds(dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every search is delayed by 30 ms at least; their sum is at most the duration of the run."""
    search = MilvusStore.search

    def delayed(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.03)
        return search(*args, **kwargs)

    monkeypatch.setattr(MilvusStore, "search", delayed)
    began = time.perf_counter()
    results = systems.run(dataset, ["bm25"], tmp_path, systems.Settings())
    elapsed_ms = (time.perf_counter() - began) * 1000
    latencies = results["systems"]["bm25"]["latency_ms"]
    assert len(latencies) == len(QUESTIONS)
    assert min(latencies) >= 30
    assert sum(latencies) <= elapsed_ms


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("beir")
    (folder / "qrels").mkdir()
    rows = [json.dumps({"_id": key, "title": "", "text": text}) for key, text in TEXTS.items()]
    (folder / "corpus.jsonl").write_text("\n".join(rows) + "\n")
    asked = [json.dumps({"_id": key, "text": text}) for key, text in QUESTIONS.items()]
    (folder / "queries.jsonl").write_text("\n".join(asked) + "\n")
    judged = [f"{query}\t{doc}\t1" for query, doc in ANSWERS.items()]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]) + "\n")
    return open_dataset(f"beir:{folder}")


def test_a_run_through_a_server_has_the_local_encoders_results(dataset: Any, tmp_path: Path) -> None:
    with served() as url:
        names = [f"openai:any@{url}", f"tei:{url}/embed"]
        settings = systems.Settings(price_per_million_tokens={names[0]: 2.0})
        results = systems.run(dataset, names, tmp_path, settings)
        hits = systems.search(["delete a directory"], tmp_path, names[-1], systems.SearchOptions(k=1))
    assert [verdict for verdict in results["verdicts"] if not verdict["passed"]] == []
    assert set(results["systems"]) == {Service.parse(name).name for name in names}
    assert {system["metrics"]["MRR@10"] for system in results["systems"].values()} == {1.0}
    assert hits[0][0].id == "tree"
    local = MiniLMEmbeddingFunction(dtype="float64")
    expected = (local(["delete a directory"]) @ local([TEXTS["tree"]]).T)[0, 0]
    np.testing.assert_allclose(hits[0][0].score, expected, atol=1e-5)
    charged = {(one["stage"], one["what"]): one for one in results["timings"] if one["remote"]}
    for stage, texts in (("encode documents", TEXTS), ("encode queries", QUESTIONS)):
        # transformers' rule: [CLS] and [SEP] beside the word pieces, and an empty text is sent as a space
        tokenizer = tokenizers.Tokenizer.from_file(str(models.path("all-MiniLM-L6-v2") / "tokenizer.json"))
        tokenizer.no_padding()
        tokens = sum(len(tokenizer.encode(text or " ").ids) for text in texts.values())
        openai, tei = (charged[stage, Service.parse(name).field] for name in names)
        assert (openai["tokens"], openai["cost"]) == (tokens, pytest.approx(tokens * 2e-6))
        assert (tei["tokens"], tei["cost"]) == (None, None)
