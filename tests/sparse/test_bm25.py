"""BM25EmbeddingFunction: shapes, exact merging, saving, and errors for bad input."""

import json
import math
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from refimpl import BM25EmbeddingFunction, build_analyzer
from refimpl.sparse.bm25 import VARIANTS, BM25FileError, BM25WeightWarning

ROOT = Path(__file__).parents[2]
DOCS = ["the cat sat", "the dog sat on the mat", "", "a bird", "cat cat bird flew", "fish"]


def split(text: str) -> list[str]:
    return text.split()


def fitted(**settings) -> BM25EmbeddingFunction:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BM25WeightWarning)
        return BM25EmbeddingFunction(split, DOCS, **settings)


@pytest.mark.parametrize("variant", VARIANTS)
def test_inner_product_is_the_score_worked_out_by_hand(variant):
    function = fitted(variant=variant, k1=1.2, b=0.6)
    scores = (function.encode_documents(DOCS) @ function.encode_queries(["cat bird bird", "unknown"]).T).toarray()
    empty_counts = VARIANTS[variant].counts_empty
    n, average = (6, 16 / 6) if empty_counts else (5, 16 / 5)
    idf = _idf_of_df_2(variant, n)
    norm = 1.2 * (0.4 + 0.6 * 4 / average)
    delta = VARIANTS[variant].delta
    c = [tf / (0.4 + 0.6 * 4 / average) for tf in (2, 1)]
    tf = {
        "bm25l": [2.2 * (x + delta) / (1.2 + x + delta) for x in c],
        "bm25+": [delta + 2.2 * t / (t + norm) for t in (2, 1)],
        **{name: [t / (t + norm) for t in (2, 1)] for name in ("robertson", "lucene", "lucene-lossy")},
    }.get(variant, [2.2 * t / (t + norm) for t in (2, 1)])
    assert scores[4, 0] == pytest.approx(idf * tf[0] + 2 * idf * tf[1], rel=1e-6)
    assert (scores[:, 1] == 0).all()
    assert scores[2, 0] == 0


def _idf_of_df_2(variant: str, n: int) -> float:
    return {
        "atire": math.log(n / 2),
        "bm25l": math.log((n + 1) / 2.5),
        "bm25+": math.log((n + 1) / 2),
        "lucene": math.log(1 + (n - 1.5) / 2.5),
        "lucene-lossy": math.log(1 + (n - 1.5) / 2.5),
    }.get(variant, math.log((n - 1.5) / 2.5))


def test_the_introduction_of_pymilvus():
    docs = [
        "Artificial intelligence was founded as an academic discipline in 1956.",
        "Alan Turing was the first person to conduct substantial research in AI.",
        "Born in Maida Vale, London, Turing was raised in southern England.",
    ]
    function = BM25EmbeddingFunction(corpus=docs)
    assert function.dim == 21
    assert function.encode_documents(docs).shape == (3, 21)
    assert function.encode_queries(["Where was Turing born?"]).indices.tolist() == [7, 14]
    assert next(iter(function.idf.items())) == ("artifici", [0.5108256237659907, 0])


def test_matrices_are_canonical_float32():
    function = fitted()
    for matrix in (function.encode_documents(DOCS), function.encode_queries(DOCS)):
        assert matrix.dtype == np.float32
        assert matrix.shape == (6, function.dim)
        assert matrix.has_canonical_format
        assert (matrix.data != 0).all()
        assert matrix[[2]].nnz == 0


def test_vocabulary_is_in_order_of_first_occurrence():
    assert list(fitted().idf) == ["the", "cat", "sat", "dog", "on", "mat", "a", "bird", "flew", "fish"]


def test_tokens_outside_the_vocabulary_lengthen_a_document():
    function = fitted()
    known, longer = (
        function.encode_documents(["cat", "cat zebra zebra"])[[0]].data,
        function.encode_documents(["cat zebra zebra"]).data,
    )
    assert longer[0] < known[0]


@pytest.mark.parametrize("cut", range(len(DOCS) + 1))
@pytest.mark.parametrize("variant", ["pymilvus", "lucene"])
def test_partial_fit_and_merge_give_exactly_what_one_fit_gives(cut, variant):
    whole = fitted(variant=variant)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BM25WeightWarning)
        if cut:
            parts = BM25EmbeddingFunction(split, DOCS[:cut], variant=variant).partial_fit(DOCS[cut:])
        else:
            parts = BM25EmbeddingFunction(split, variant=variant).partial_fit(DOCS)
        merged = BM25EmbeddingFunction(split, variant=variant)
        for piece in (DOCS[:cut] or DOCS[:1], DOCS[cut:] if cut else DOCS[1:]):
            if any(piece):
                merged.merge(BM25EmbeddingFunction(split, piece, variant=variant))
        streamed = BM25EmbeddingFunction(split, variant=variant).fit_parts(iter([DOCS[:cut], [], DOCS[cut:]]))
    for other in (parts, merged, streamed):
        assert other.idf == whole.idf
        assert (other.corpus_size, other.avgdl) == (whole.corpus_size, whole.avgdl)
        assert (other.encode_documents(DOCS) != whole.encode_documents(DOCS)).nnz == 0


def test_merge_refuses_another_analyzer():
    simple = BM25EmbeddingFunction(build_analyzer("simple"), ["cat dog", "bird", "fish"])
    standard = BM25EmbeddingFunction(build_analyzer("milvus-standard"), ["cat dog", "bird", "fish"])
    with pytest.raises(ValueError, match=r"analyzers differ \(simple:.* and milvus-standard:.*\)"):
        simple.merge(standard)


def test_merging_with_itself_doubles_the_counts():
    function = fitted()
    df_before = function._fitted.statistics.df.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BM25WeightWarning)
        function.merge(function)
    assert function.corpus_size == 12
    assert (function._fitted.statistics.df == 2 * df_before).all()


def test_pickles():
    function = BM25EmbeddingFunction(build_analyzer("pymilvus-en"), ["cats sat", "dogs", "birds"])
    again = pickle.loads(pickle.dumps(function))
    assert (again.encode_documents(["cats"]) != function.encode_documents(["cats"])).nnz == 0


# --- saving


def test_saved_and_loaded_is_the_same(tmp_path):
    function = fitted(variant="bm25+", k1=1.0, b=0.3, delta=0.7)
    function.save(tmp_path / "bm25.json")
    loaded = BM25EmbeddingFunction(split).load(tmp_path / "bm25.json")
    assert (loaded.variant, loaded.k1, loaded.b, loaded.delta) == ("bm25+", 1.0, 0.3, 0.7)
    assert loaded.idf == function.idf
    assert (loaded.encode_documents(DOCS) != function.encode_documents(DOCS)).nnz == 0
    more = ["another cat"]
    assert loaded.partial_fit(more).idf == function.partial_fit(more).idf


def test_every_changed_bit_is_an_error_or_changes_nothing(tmp_path):
    function = fitted()
    path = tmp_path / "bm25.json"
    function.save(path)
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        try:
            loaded = BM25EmbeddingFunction(split).load(path)
        except BM25FileError as error:
            loaded = str(error)
        assert "bm25.json" in loaded if isinstance(loaded, str) else loaded.idf == function.idf, place


def test_a_file_may_be_laid_out_anew(tmp_path):
    function = fitted()
    function.save(tmp_path / "bm25.json")
    values = json.loads((tmp_path / "bm25.json").read_text())
    (tmp_path / "bm25.json").write_text(json.dumps(dict(reversed(values.items())), indent=2))
    assert BM25EmbeddingFunction(split).load(tmp_path / "bm25.json").idf == function.idf


def test_loading_warns_of_another_analyzer(tmp_path):
    BM25EmbeddingFunction(build_analyzer("simple"), ["a b", "c", "d"]).save(tmp_path / "simple.json")
    with pytest.warns(UserWarning, match=r"was written with simple:\w{16}, this analyzer is milvus-standard:"):
        BM25EmbeddingFunction(build_analyzer("milvus-standard")).load(tmp_path / "simple.json")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        BM25EmbeddingFunction(build_analyzer("simple")).load(tmp_path / "simple.json")


def test_a_file_by_pymilvus_cannot_be_added_to(tmp_path):
    content = {"version": "v1", "corpus_size": 3, "avgdl": 2.0, "idf_word": ["a"], "idf_value": [0.5]}
    (tmp_path / "p.json").write_text(json.dumps({**content, "k1": 1.5, "b": 0.75, "epsilon": 0.25}))
    loaded = BM25EmbeddingFunction(split).load(tmp_path / "p.json")
    assert loaded.encode_queries(["a a"]).toarray().tolist() == [[1.0]]
    with pytest.raises(ValueError, match="has no document frequencies"):
        loaded.partial_fit(["a"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], r"bad\.json is not valid JSON"),
        (lambda text: "", r"bad\.json is not valid JSON"),
        (lambda text: "[1, 2]", "expected a JSON object of BM25 parameters, got list"),
        (lambda text: text.replace('"v1"', '"v2"'), "has version 'v2', expected 'v1'"),
        (lambda text: '{"name": "no bm25"}', "has version None"),
        (lambda text: text.replace('"avgdl"', '"other"'), "lacks 'avgdl'"),
        (lambda text: text.replace('"corpus_size": 6', '"corpus_size": 0'), "corpus_size is 0"),
        (lambda text: text.replace('"k1": 1.5', '"k1": NaN'), "NaN is not a JSON number"),
        (lambda text: text.replace('"b": 0.75', '"b": 7'), "b is 7"),
        (lambda text: text.replace('"idf_word": ["the", ', '"idf_word": ['), "of equal length"),
        (lambda text: text.replace('"the", ', '"cat", '), "no word twice"),
        (lambda text: text.replace('"pymilvus"', '"bm52"'), "variant is 'bm52', must be one of"),
        (lambda text: text.replace('"df": [2, ', '"df": ['), "df has 9 entries for 10 words"),
        (lambda text: text.replace('"df": [2, ', '"df": [9, '), "df must be a list of whole numbers of 1 to"),
        (lambda text: text.replace('"df": [2, ', f'"df": [{10**30}, '), "df must be a list of whole numbers of 1 to"),
        (lambda text: text.replace('"corpus_size": 6', f'"corpus_size": 1{"0" * 400}'), "beyond a float's range"),
        (lambda text: text.replace('"corpus_size": 6', '"corpus_size": 6.5'), "corpus_size is 6.5"),
        (lambda text: text.replace('"k1": 1.5', '"k1": 1.6'), "differs from its checksum"),
        (lambda text: text.replace('"the", ', '"tha", '), "differs from its checksum"),
        (lambda text: text.replace('"checksum"', '"checksun"'), "has no checksum, but the key"),
        (lambda text: text.replace('"k1": 1.5', '"k1": 1.5, "k1": 1.6'), "the name 'k1' occurs twice"),
        (lambda text: "[" * 100_000, "expected at most 100 nested"),
    ],
)
def test_a_damaged_or_other_file_is_refused_and_changes_nothing(tmp_path, change, message):
    function = fitted()
    function.save(tmp_path / "good.json")
    text = (tmp_path / "good.json").read_text()
    assert change(text) != text
    (tmp_path / "bad.json").write_text(change(text))
    before = function.idf
    with pytest.raises(BM25FileError, match=message):
        function.load(tmp_path / "bad.json")
    assert function.idf == before


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        BM25EmbeddingFunction(split).load(tmp_path / "none.json")


def test_without_a_path_pymilvus_models_file_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"bm25_msmarco_v1\.json is not in the working folder: download it from ht"
    ):
        BM25EmbeddingFunction(split).load()
    fitted().save("bm25_msmarco_v1.json")
    assert BM25EmbeddingFunction(split).load().dim == 10


SAVER = """
import sys
sys.path.insert(0, sys.argv[1])
from refimpl.sparse.bm25 import BM25EmbeddingFunction
corpora = [[f"{letter}{i} {letter}" for i in range(20000)] for letter in "ab"]
functions = [BM25EmbeddingFunction(str.split, corpus, variant="lucene") for corpus in corpora]
functions[0].save(sys.argv[2])
print("ready", flush=True)
while True:
    for function in functions:
        function.save(sys.argv[2])
"""


def test_killed_while_saving_leaves_a_complete_file(tmp_path):
    path = tmp_path / "bm25.json"
    for wait_ms in (5, 77, 150):
        saver = subprocess.Popen([sys.executable, "-c", SAVER, str(ROOT), str(path)], stdout=subprocess.PIPE, text=True)
        assert saver.stdout is not None
        assert saver.stdout.readline() == "ready\n"
        time.sleep(wait_ms / 1000)
        saver.send_signal(signal.SIGKILL)
        saver.wait()
        saver.stdout.close()
        assert BM25EmbeddingFunction(str.split).load(path).dim == 20001


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    function = fitted()
    function.save(tmp_path / "bm25.json")
    before = (tmp_path / "bm25.json").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        function.save(tmp_path / "bm25.json")
    assert (tmp_path / "bm25.json").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["bm25.json"]


# --- bad input


@pytest.mark.parametrize("corpus", [[], [""], ["", "  "], ["the", "of and the"]])
def test_a_corpus_without_terms_is_refused(corpus):
    with pytest.raises(ValueError, match=f"the corpus has no term: {len(corpus)} documents"):
        BM25EmbeddingFunction(corpus=corpus)


def test_nothing_to_encode_is_no_error():
    function = fitted()
    assert function.encode_documents([]).shape == (0, 10)
    assert function.encode_queries([]).shape == (0, 10)
    assert function.encode_documents([""]).nnz == 0
    assert function.encode_queries(["unknown"]).shape == (1, 10)


def test_encoding_before_fitting():
    for method in ("encode_documents", "encode_queries"):
        with pytest.raises(ValueError, match="not fitted: call fit"):
            getattr(BM25EmbeddingFunction(split), method)(["a"])
    with pytest.raises(ValueError, match="not fitted"):
        BM25EmbeddingFunction(split).save("nowhere.json")


@pytest.mark.usefixtures("unchecked")
def test_a_str_and_other_values_that_are_no_list_of_str():
    function = fitted()
    for method in (function.fit, function.partial_fit, function.encode_documents, function.encode_queries):
        with pytest.raises(TypeError, match="wrap it in a list"):
            method("one text")
        with pytest.raises(TypeError, match=r"\[1\] must be a str, got NoneType"):
            method(["a", None])
        with pytest.raises(TypeError, match="got int"):
            method(7)
    assert list(function.idf) == list(fitted().idf)
    with pytest.raises(TypeError, match="call encode_documents or encode_queries"):
        function(["a"])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"k1": -0.1}, ValueError, "k1 must be finite and 0 or more, got -0.1"),
        ({"k1": math.nan}, ValueError, "k1 must be finite"),
        ({"k1": math.inf}, ValueError, "k1 must be finite"),
        ({"k1": "1.5"}, TypeError, "k1 must be a number, got str"),
        ({"k1": True}, TypeError, "k1 must be a number, got bool"),
        ({"b": 1.01}, ValueError, "b must be finite and between 0 and 1"),
        ({"b": -0.01}, ValueError, "b must be"),
        ({"b": math.nan}, ValueError, "b must be"),
        ({"epsilon": math.nan}, ValueError, "epsilon must be"),
        ({"epsilon": -1}, ValueError, "epsilon must be"),
        ({"delta": -1}, ValueError, "delta must be"),
        ({"variant": "bm26"}, ValueError, "variant must be one of robertson, pymilvus"),
        ({"num_workers": 0}, ValueError, "num_workers must be 1 or more"),
        ({"num_workers": 1.5}, TypeError, "num_workers must be a whole number"),
        ({"analyzer": "en"}, TypeError, "analyzer must be callable"),
    ],
)
def test_parameters_out_of_range(settings, error, message):
    with pytest.raises(error, match=message):
        BM25EmbeddingFunction(**{"analyzer": split, **settings})


def test_a_negative_idf_gives_a_warning():
    with pytest.warns(BM25WeightWarning, match=r"2 of 2 terms have a negative idf \('a': -0\.4") as caught:
        function = BM25EmbeddingFunction(split, ["a b", "b a"])
    assert "Milvus rejects" in str(caught[0].message)
    assert (function.encode_queries(["a"]).data < 0).all()


def test_an_idf_of_zero_gives_a_warning():
    with pytest.warns(BM25WeightWarning, match=r"2 of 2 terms have an idf of zero \('a'\)"):
        function = BM25EmbeddingFunction(split, ["a", "b"])
    assert function.encode_queries(["a"]).nnz == 0


@pytest.mark.parametrize("docs", [["a b"] * 7, ["a"], ["a a a"], ["a b", "a c", "a d"]])
def test_equal_documents_one_document_and_a_term_in_every_document(docs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function = BM25EmbeddingFunction(split, docs, variant="lucene")
    assert (function.encode_queries(["a"]).data > 0).all()
    assert np.isfinite(function.encode_documents(docs).data).all()
