"""Published figures, through Milvus Lite. Cranfield is quick; NFCorpus takes minutes without its embedding cache."""

from pathlib import Path

import pytest

from refimpl import systems
from refimpl.datasets import open_dataset

COLLECTIONS = Path(__file__).parents[2] / "shared" / "collections"


def results_on(name, tmp_path, names):
    folder = COLLECTIONS / name
    if not folder.is_dir():
        pytest.skip(f"collection {name} is missing (../shared/collections/{name})")
    return systems.run(open_dataset(f"beir:{folder}"), names, tmp_path, systems.Settings())


def failed_validations(results):
    return [entry for entry in results["verdicts"] if not entry["passed"] or entry["recall"] != 1.0]


@pytest.mark.slow
def test_cranfield_every_system(tmp_path):
    results = results_on("cranfield", tmp_path, systems.DEFAULT)
    assert failed_validations(results) == []
    assert {entry["metric"] for entry in results["verdicts"]} == {
        *("IP", "COSINE", "L2", "sparse IP", "hybrid RRF", "hybrid weighted")
    }
    ndcg = {name: system["metrics"]["nDCG@10"] for name, system in results["systems"].items()}
    assert ndcg["hybrid-rrf"] > max(ndcg["dense"], ndcg["bm25"]), ndcg
    tests = {(t["a"], t["b"], t["measure"]): t["p_value"] for t in results["significance"]}
    assert tests["dense", "hybrid-rrf", "nDCG@10"] < 0.01


@pytest.mark.slow
@pytest.mark.nfcorpus
def test_nfcorpus_reproduces_minilms_published_figures(tmp_path):
    """mtebpaper results, NFCorpus.json: nDCG@10 0.31594, recall@100 0.31151."""
    results = results_on("nfcorpus", tmp_path, ("dense", "bm25", "bm25-lucene", "hybrid-rrf"))
    assert failed_validations(results) == []
    dense = results["systems"]["dense"]["metrics"]
    assert dense["nDCG@10"] == pytest.approx(0.3159, abs=0.0005)
    assert dense["recall@100"] == pytest.approx(0.3115, abs=0.0005)
    assert {(t["a"], t["b"]) for t in results["significance"]} >= {("dense", "hybrid-rrf"), ("bm25", "hybrid-rrf")}
