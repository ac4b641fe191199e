"""docs/bm25-variants.md: each number of its table recomputed by the library of its row; its code executed."""

import re
from pathlib import Path

import numpy as np
import pytest

from refimpl import BM25Index, build_analyzer
from refimpl.sparse.bm25 import VARIANTS

PAGE = (Path(__file__).parents[2] / "docs" / "bm25-variants.md").read_text("utf-8")
DOCS = [line.split() for line in re.search(r"```text\n(cat sat.*?)```", PAGE, re.DOTALL)[1].splitlines()]
QUERY = ["cat", "dog"]
ROW = r"^\| ((?:refimpl|rank_bm25|bm25s|tantivy)\b[^|]*?) \|((?: *-?\d\.\d+ *\|){4} *-?\d\.\d+ *)\|$"
ROWS = {row[1]: [float(cell) for cell in row[2].split("|")] for row in re.finditer(ROW, PAGE, re.MULTILINE)}


def test_the_page_has_every_variant_and_library():
    assert [len(doc) for doc in DOCS] == [4, 3, 43, 1, 7]
    assert [name for name in ROWS if name.startswith("refimpl")] == [f"refimpl `{name}`" for name in VARIANTS]
    assert len(ROWS) == 8 + 3 + 5 + 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_of_refimpl(variant):
    ids, scores = BM25Index.from_tokens(DOCS, variant=variant, k1=1.5, b=0.75).search([QUERY], 5)
    scores_of_docs = np.zeros(5)
    scores_of_docs[ids[ids >= 0]] = scores[ids >= 0]
    np.testing.assert_allclose(scores_of_docs, ROWS[f"refimpl `{variant}`"], atol=5.1e-5)


@pytest.mark.peer
@pytest.mark.parametrize("name", ["BM25Okapi", "BM25L", "BM25Plus"])
def test_rows_of_rank_bm25(name):
    import rank_bm25

    scores_of_docs = getattr(rank_bm25, name)(DOCS, k1=1.5, b=0.75).get_scores(QUERY)
    np.testing.assert_allclose(scores_of_docs, ROWS[f"rank_bm25 `{name}`"], atol=5.1e-5)


@pytest.mark.peer
@pytest.mark.parametrize("method", ["robertson", "atire", "bm25l", "bm25+", "lucene"])
def test_rows_of_bm25s(method):
    import bm25s

    index = bm25s.BM25(method=method, k1=1.5, b=0.75, delta=1.0 if method == "bm25+" else 0.5)
    index.index(DOCS, show_progress=False)
    np.testing.assert_allclose(index.get_scores(QUERY), ROWS[f"bm25s `{method}`"], atol=5.1e-5)


@pytest.mark.peer
def test_row_of_tantivy(tmp_path):
    """With its own k1 = 1.2, which cannot be changed."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("id", stored=True)
    builder.add_text_field("text", tokenizer_name="whitespace", index_option="freq")
    schema = builder.build()
    index = tantivy.Index(schema, path=str(tmp_path))
    writer = index.writer(15_000_000, 1)
    for i, doc in enumerate(DOCS):
        writer.add_document(tantivy.Document(id=i, text=" ".join(doc)))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher, scores_of_docs = index.searcher(), np.zeros(5)
    terms = [(tantivy.Occur.Should, tantivy.Query.term_query(schema, "text", word, "freq")) for word in QUERY]
    for score, address in searcher.search(tantivy.Query.boolean_query(terms), 5).hits:
        scores_of_docs[searcher.doc(address)["id"][0]] = score
    np.testing.assert_allclose(scores_of_docs, ROWS["tantivy (k1 = 1.2)"], atol=5.1e-5)


def test_the_code_prints_its_output_block(capsys):
    code, printed = re.search(r"```python\n(.*?)```\n```text\n(.*?)```", PAGE, re.DOTALL).groups()
    exec(compile(code, "docs/bm25-variants.md", "exec"), {})
    assert capsys.readouterr().out == printed


def test_numbers_of_stop_words():
    from refimpl.sparse.analyzers import stopwords

    assert f"NLTK's {len(stopwords.of_language('english'))} stop words" in PAGE
    assert len(build_analyzer("lucene-english").filters[2].settings["words"]) == 33
