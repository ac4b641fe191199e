"""Rerank: one query's candidates by a cross-encoder, against sentence-transformers; and by MaxSim, which has no peer.

No package holds a trained cross-encoder: this one is all-MiniLM-L6-v2 with a random classifier on its pooler, so the
work is a real model's and the ranking means nothing.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from threadpoolctl import threadpool_limits

from bench import peers
from bench.checks import close
from bench.race import SEED, Race
from bench.texts import fingerprint, texts
from refimpl import models
from refimpl.reranker.cross_encoder import CrossEncoderRerankFunction
from refimpl.reranker.maxsim import MaxSimRerankFunction

CANDIDATES = {"short": 20, "mixed": 8}
ATOL = 2e-5  # logits of float32 against float64; seen 2e-6
MAXSIM_ATOL = 1e-5


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cross-encoder")
    published = models.path("all-MiniLM-L6-v2")
    tensors = {f"bert.{key}": value for key, value in load_file(published / "model.safetensors").items()}
    rng = np.random.default_rng(SEED)
    tensors["classifier.weight"] = rng.normal(0, 0.2, (1, 384)).astype(np.float32)
    tensors["classifier.bias"] = np.zeros(1, dtype=np.float32)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((published / "config.json").read_text("utf-8"))
    config |= {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "fits"}, "label2id": {"fits": 0}}
    config["sentence_transformers"] = {"activation_fn": "torch.nn.modules.linear.Identity"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(published / file, folder / file)
    return folder


@pytest.mark.parametrize("kind", CANDIDATES)
def test_rerank_cross_encoder(race: Race, request: pytest.FixtureRequest, cross_encoder: Path, kind: str) -> None:
    threads = request.config.getoption("--benchmark-threads")
    query, documents = texts("short", 1)[0], texts(kind, CANDIDATES[kind])
    with threadpool_limits(1):
        oracle = CrossEncoderRerankFunction(cross_encoder, dtype="float64", max_length=256)
        expected = oracle.scores(query, documents)
    ours = CrossEncoderRerankFunction(cross_encoder, max_length=256, num_workers=threads)
    sides = {"refimpl": lambda: ours.scores(query, documents)}
    library, torch = peers.get("sentence_transformers"), peers.get("torch")
    if library is not None and torch is not None:
        torch.set_num_threads(threads)
        theirs = library.CrossEncoder(str(cross_encoder), device="cpu", local_files_only=True, max_length=256)
        pairs = [(query, document) for document in documents]
        sides["sentence-transformers"] = lambda: theirs.predict(pairs, batch_size=32, show_progress_bar=False)
    facts = {"work": len(documents), "unit": "documents", "data": fingerprint(documents)}
    case = f"cross-encoder, {kind}"
    race(sides, stage="rerank", case=case, check=lambda _, answer: close(answer, expected, ATOL), **facts)


def test_rerank_maxsim(race: Race, request: pytest.FixtureRequest) -> None:
    query, documents = texts("short", 1)[0], texts("short", CANDIDATES["short"])
    with threadpool_limits(1):
        expected = MaxSimRerankFunction(dtype="float64").scores(query, documents)
    ours = MaxSimRerankFunction(num_workers=request.config.getoption("--benchmark-threads"))
    sides = {"refimpl": lambda: ours.scores(query, documents)}
    facts = {"work": len(documents), "unit": "documents", "data": fingerprint(documents)}
    case = "MaxSim, short"
    race(sides, stage="rerank", case=case, check=lambda _, answer: close(answer, expected, MAXSIM_ATOL), **facts)
