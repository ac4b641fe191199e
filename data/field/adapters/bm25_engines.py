"""BM25 of search engines and databases that run in the process: SQLite, DuckDB, tantivy, Whoosh, LanceDB and others."""

import sqlite3
import tempfile

from score_rows import score_rows


def fts5(corpus, queries, connect=sqlite3.connect, **_):
    """SQLite's FTS5 with its default tokenizer; the best score is the most negative one."""
    table = connect(":memory:")
    cursor = table.cursor()
    cursor.execute("create virtual table t using fts5(x)")
    cursor.executemany("insert into t(rowid, x) values (?, ?)", list(enumerate(corpus)))

    def hits(terms):
        match = " OR ".join('"' + term.replace('"', '""') + '"' for term in terms)
        return list(cursor.execute("select rowid, bm25(t) from t where t match ?", (match,)))

    return score_rows(corpus, queries, hits)


def fts5_apsw(corpus, queries, **_):
    """FTS5 of the SQLite that APSW contains."""
    import apsw

    return fts5(corpus, queries, connect=apsw.Connection)


def duckdb(corpus, queries, k1, b, **_):
    """DuckDB's extension fts, from the package duckdb-extension-fts."""
    import duckdb
    from duckdb_extensions import import_extension

    import_extension("fts")
    database = duckdb.connect()
    database.execute("load fts")
    database.execute("create table d(id integer, x varchar)")
    database.executemany("insert into d values (?, ?)", list(enumerate(corpus)))
    options = "stemmer='none', stopwords='none', ignore='(\\s)+', strip_accents=0, lower=0"
    database.execute(f"pragma create_fts_index('d', 'id', 'x', {options})")
    query = "select id, fts_main_d.match_bm25(id, ?, k := ?, b := ?) score from d where score is not null"
    return score_rows(corpus, queries, lambda terms: database.execute(query, [" ".join(terms), k1, b]).fetchall())


def tantivy(corpus, queries, **_):
    """tantivy, whose k1 and b are fixed."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("text", tokenizer_name="whitespace")
    builder.add_unsigned_field("number", stored=True)
    index = tantivy.Index(builder.build())
    writer = index.writer(num_threads=1)
    for number, text in enumerate(corpus):
        writer.add_document(tantivy.Document(text=text, number=number))
    writer.commit()
    index.reload()
    searcher = index.searcher()

    def hits(terms):
        parts = [(tantivy.Occur.Should, tantivy.Query.term_query(index.schema, "text", term)) for term in terms]
        found = searcher.search(tantivy.Query.boolean_query(parts), limit=len(corpus)).hits
        return [(searcher.doc(address)["number"][0], score) for score, address in found]

    return score_rows(corpus, queries, hits)


def whoosh(corpus, queries, k1, b, **_):
    """Whoosh's BM25F on one field."""
    from whoosh.analysis import RegexTokenizer
    from whoosh.fields import STORED, TEXT, Schema
    from whoosh.filedb.filestore import RamStorage
    from whoosh.query import Or, Term
    from whoosh.scoring import BM25F

    index = RamStorage().create_index(Schema(number=STORED, text=TEXT(analyzer=RegexTokenizer(r"\S+"))))
    writer = index.writer()
    for number, text in enumerate(corpus):
        writer.add_document(number=number, text=text)
    writer.commit()
    with index.searcher(weighting=BM25F(B=b, K1=k1)) as searcher:

        def hits(terms):
            found = searcher.search(Or([Term("text", term) for term in terms]), limit=None)
            return [(hit["number"], hit.score) for hit in found]

        return score_rows(corpus, queries, hits)


def lancedb(corpus, queries, **_):
    """LanceDB's full-text index, whose k1 and b are fixed."""
    import lancedb
    from lancedb.index import FTS

    with tempfile.TemporaryDirectory() as place:
        table = lancedb.connect(place).create_table("t", [{"n": n, "x": text} for n, text in enumerate(corpus)])
        options = {"lower_case": False, "stem": False, "remove_stop_words": False, "ascii_folding": False}
        table.create_index("x", config=FTS(base_tokenizer="whitespace", **options))

        def hits(terms):
            found = table.search(" ".join(terms), query_type="fts").limit(len(corpus)).to_list()
            return [(row["n"], row["_score"]) for row in found]

        return score_rows(corpus, queries, hits)


def milvus_lite(corpus, queries, **_):
    """Milvus Lite's BM25 function, documents inserted at once."""
    from pymilvus import DataType, Function, FunctionType, MilvusClient

    with tempfile.TemporaryDirectory() as place:
        client = MilvusClient(f"{place}/milvus.db")
        schema = client.create_schema()
        schema.add_field("n", DataType.INT64, is_primary=True)
        schema.add_field("x", DataType.VARCHAR, max_length=65535, enable_analyzer=True)
        schema.add_field("v", DataType.SPARSE_FLOAT_VECTOR)
        schema.add_function(Function("bm25", FunctionType.BM25, input_field_names=["x"], output_field_names=["v"]))
        index = client.prepare_index_params()
        index.add_index("v", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
        client.create_collection("c", schema=schema, index_params=index)
        client.insert("c", [{"n": n, "x": text} for n, text in enumerate(corpus)])

        def hits(terms):
            (found,) = client.search("c", data=[" ".join(terms)], anns_field="v", limit=len(corpus))
            return [(hit["n"], hit["distance"]) for hit in found]

        try:
            return score_rows(corpus, queries, hits)
        finally:
            client.close()


def xapian(corpus, queries, k1, b, **_):
    """Xapian's BM25Weight with the parameters of the call, k3 = 1 and its shortest length of 0.5."""
    import xapian

    database = xapian.WritableDatabase("", xapian.DB_BACKEND_INMEMORY)
    for text in corpus:
        document = xapian.Document()
        for term in text.split():
            document.add_term(term)
        database.add_document(document)

    def hits(terms):
        enquire = xapian.Enquire(database)
        enquire.set_weighting_scheme(xapian.BM25Weight(k1, 0, 1, b, 0.5))
        enquire.set_query(xapian.Query(xapian.Query.OP_OR, [xapian.Query(term) for term in terms]))
        return [(match.docid - 1, match.weight) for match in enquire.get_mset(0, len(corpus))]

    return score_rows(corpus, queries, hits)
