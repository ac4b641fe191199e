"""Each language's default analyzer against pymilvus.model's, term by term."""

import pytest
from language_texts import random_texts

from refimpl import BM25EmbeddingFunction, build_default_analyzer
from refimpl.sparse.analyzers.build import LANGUAGES

pytestmark = [pytest.mark.peer, pytest.mark.usefixtures("nltk_data_path")]


@pytest.mark.parametrize("code", LANGUAGES)
def test_terms_of_10000_random_texts_equal_pymilvus_models(code):
    from pymilvus.model.sparse.bm25 import build_default_analyzer as their_analyzer

    ours, theirs = build_default_analyzer(code), their_analyzer(code)
    for text in random_texts(LANGUAGES[code], 10_000):
        assert ours(text) == theirs(text), text


# Words whose stem by PyStemmer 3, which follows later releases of Snowball, is another one
@pytest.mark.parametrize(
    ("code", "documents", "query"),
    [
        ("ru", ["объём памяти", "скорость", "цена"], "объём"),
        ("fr", ["la cuisine française", "la vitesse", "le prix"], "française"),
        ("it", ["la differenza", "la memoria", "il prezzo"], "differenze"),
        ("pt", ["a esperança", "a memória", "o preço"], "esperanças"),
    ],
)
def test_a_file_fitted_by_pymilvus_model_finds_what_it_finds_there(code, documents, query, tmp_path):
    from pymilvus.model.sparse import BM25EmbeddingFunction as Theirs
    from pymilvus.model.sparse.bm25 import build_default_analyzer as their_analyzer

    theirs = Theirs(their_analyzer(code), documents)
    theirs.save(str(tmp_path / "theirs.json"))
    ours = BM25EmbeddingFunction(build_default_analyzer(code)).load(tmp_path / "theirs.json")
    expected = theirs.encode_documents(documents) @ theirs.encode_queries([query]).T
    assert expected.nnz == 1
    actual = ours.encode_documents(documents) @ ours.encode_queries([query]).T
    assert (actual.toarray() == expected.toarray()).all()
