"""Systems of servers: how they are named, and a run with them through `refimpl serve`'s application."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served import served

from refimpl import MiniLMEmbeddingFunction, systems
from refimpl.datasets import open_dataset
from refimpl.services import Service

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


def test_a_provider_without_a_key_says_where_to_put_it() -> None:
    with pytest.raises(ValueError, match="set JINAAI_API_KEY"):
        systems.build(["jina:jina-embeddings-v3"], systems.Settings())


def test_a_documented_width_costs_no_request_and_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    ((encoder,), (system,)) = systems.build(["openai:text-embedding-3-small"], systems.Settings())
    assert (encoder.field.dim, encoder.cached, system.name) == (1536, True, "openai:text-embedding-3-small")


def test_a_wrong_name_is_told_with_the_grammar() -> None:
    with pytest.raises(ValueError, match=r"cohere:MODEL\[@ADDRESS\], tei:ADDRESS; got unknown x:y"):
        systems.build(["x:y"], systems.Settings())


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


def test_a_run_through_a_server_finds_what_the_local_encoder_finds(dataset: Any, tmp_path: Path) -> None:
    with served() as url:
        names = [f"openai:any@{url}", f"tei:{url}/embed"]
        results = systems.run(dataset, names, tmp_path, systems.Settings())
        found = systems.answer(["delete a directory"], tmp_path, names[-1], k=1)
    assert [verdict for verdict in results["verdicts"] if not verdict["passed"]] == []
    assert set(results["systems"]) == {Service.parse(name).name for name in names}
    assert {system["metrics"]["MRR@10"] for system in results["systems"].values()} == {1.0}
    assert found[0][0].id == "tree"
    local = MiniLMEmbeddingFunction(dtype="float64")
    expected = (local(["delete a directory"]) @ local([TEXTS["tree"]]).T)[0, 0]
    np.testing.assert_allclose(found[0][0].score, expected, atol=1e-5)
