"""Real implementations: those that differ are diagnosed as docs/diagnoses.md prints it; the right ones match."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import quarry
from gguf_files import write_gguf
from llama_server import KEY, llama_server

from refimpl import golden, models
from refimpl.diagnosis import diagnose_bm25, diagnose_embeddings, diagnose_splade, diagnose_tokens

pytestmark = [pytest.mark.peer, pytest.mark.usefixtures("quick")]

MEASURED = re.compile(
    r"(?<=residual )[\d.e+-]+|(?<=difference )[\d.e+-]+|(?<=explains )[\d.]+(?=%)"
    r"|(?<=errors up to )[\d.e-]+|(?<=mean cosine )[\d.]+"
)


@pytest.mark.parametrize("find", quarry.FINDS, ids=lambda find: find.title)
def test_the_diagnosis_is_as_the_page_prints_it(find):
    try:
        diagnosis = find.diagnose()
    except quarry.UnavailableError as error:
        pytest.skip(str(error))
    assert set(diagnosis.causes[0].names) == set(find.names), str(diagnosis)
    assert diagnosis.explained, str(diagnosis)
    printed = MEASURED.sub("#", quarry.block(find, diagnosis))  # the digits of rounding errors differ by machine
    assert printed in MEASURED.sub("#", quarry.PAGE.read_text("utf-8")), f"write it anew: {quarry.COMMAND}"


@pytest.mark.parametrize("stage", ["normalized_sentence_transformers", "normalized_onnxruntime", "normalized"])
def test_stored_outputs_of_the_peers_match(stage):
    """sentence-transformers', ONNX Runtime's float32 and transformers' float64, as the golden vectors hold them."""
    texts = list(golden.texts().values())
    short = [i for i, text in enumerate(texts) if len(text) < 400]
    vectors = golden.array(next(v for v in golden.vectors() if v.stage == stage))
    diagnosis = diagnose_embeddings(vectors[short], [texts[i] for i in short])
    assert diagnosis.matches, str(diagnosis)


def test_transformers_matches_in_tokens_and_vectors(minilm_folder):
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(minilm_folder), AutoModel.from_pretrained(minilm_folder).eval()
    assert diagnose_tokens(tokenizer(quarry.TEXTS)["input_ids"], quarry.TEXTS).matches
    batch = tokenizer(quarry.TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    mean = (states * mask).sum(1) / mask.sum(1)
    assert diagnose_embeddings(torch.nn.functional.normalize(mean).numpy(), quarry.TEXTS).matches


def test_sentence_transformers_matches(minilm_folder):
    from sentence_transformers import SentenceTransformer

    vectors = SentenceTransformer(str(minilm_folder), device="cpu").encode(quarry.TEXTS)
    assert diagnose_embeddings(vectors, quarry.TEXTS).matches


def test_llama_cpp_matches_within_its_tanh_gelu(minilm_folder, tmp_path):
    """Observed 1 - cos of 7e-7 is 5e-4 an entry; below that the diagnosis names it."""
    import requests

    server = llama_server(write_gguf(minilm_folder, tmp_path / "m.gguf", rank=False), pooling="MEAN")
    answer = requests.post(
        f"{server.listening_address}/v1/embeddings",
        json={"input": quarry.TEXTS, "model": "x"},
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=60,
    ).json()
    vectors = np.array([entry["embedding"] for entry in sorted(answer["data"], key=lambda entry: entry["index"])])
    assert diagnose_embeddings(vectors, quarry.TEXTS, tolerance=1e-3).matches
    diagnosis = diagnose_embeddings(vectors, quarry.TEXTS, tolerance=1e-4)
    assert diagnosis.causes[0].names == ("tanh GELU",), str(diagnosis)


@pytest.mark.parametrize("method", ["lucene", "atire"])
def test_bm25s_matches(method):
    import bm25s

    docs, queries = quarry.corpus()
    index = bm25s.BM25(method=method, k1=1.5, b=0.75)
    index.index(docs, show_progress=False)
    actual = [index.get_scores(query) for query in queries]
    assert diagnose_bm25(actual, docs, queries, variant=method, tolerance=1e-5).matches


def test_rank_bm25_and_milvus_lite_in_one_flush_match():
    import rank_bm25

    docs, queries = quarry.corpus()
    index = rank_bm25.BM25Okapi(docs)
    assert diagnose_bm25([index.get_scores(q) for q in queries], docs, queries, variant="rank_bm25").matches
    once = quarry.milvus_lite(1)
    assert once.causes[0].names == ("times k1 + 1",), str(once)


def test_pymilvus_model_matches_in_bm25_and_splade_text_by_text():
    import nltk
    from pymilvus.model.sparse import BM25EmbeddingFunction
    from pymilvus.model.sparse.bm25 import build_default_analyzer

    os.environ["NLTK_DATA"] = folder = str(models.path("nltk-data"))
    nltk.data.path.insert(0, folder)
    bm25 = BM25EmbeddingFunction(build_default_analyzer("en"), quarry.TEXTS)
    queries = ["apple doctors", "learning by example"]
    actual = (bm25.encode_queries(queries) @ bm25.encode_documents(quarry.TEXTS).T).toarray()
    assert diagnose_bm25(actual, quarry.TEXTS, queries, tolerance=1e-5).matches
    rows = np.vstack([quarry.pymilvus_splade_rows([text]) for text in quarry.TEXTS])
    assert diagnose_splade(rows, quarry.TEXTS, tolerance=2e-5).matches


def test_the_page_has_every_find():
    titles = re.findall(r"^## (.*)$", Path(quarry.PAGE).read_text("utf-8"), re.MULTILINE)
    assert titles == [find.title for find in quarry.FINDS]
