"""Choice of the documents that a page shows: the best by reciprocal rank fusion of MiniLM and BM25."""

from refimpl import __version__, models
from refimpl.common.progress import progress
from refimpl.common.warning import silenced
from refimpl.dense.minilm import MiniLMEmbeddingFunction
from refimpl.search.cache import EmbeddingCache
from refimpl.search.exact import search_dense, search_sparse
from refimpl.search.fusion import rrf
from refimpl.search.topk import ABSENT
from refimpl.sparse.bm25 import BM25EmbeddingFunction, BM25WeightWarning
from refimpl.sparse.term_counts import Analyze
from refimpl.tokens import TruncationWarning

MODEL = "all-MiniLM-L6-v2"
DEPTH = 100  # hits per route


def choose(question: str, texts: list[str], analyzer: Analyze, most: int, *, show_progress: bool = False) -> list[int]:
    """Rows of the `most` best texts, best first; MiniLM's vectors are kept in the user's cache."""
    depth = max(DEPTH, most)
    dense = MiniLMEmbeddingFunction()
    key = {"model": dict(models.SOURCES[MODEL].files), "window": dense.tokenizer.max_length, "refimpl": __version__}
    with silenced(TruncationWarning, BM25WeightWarning):  # the page marks truncated texts, and shows every idf
        with progress("read documents", len(texts), show_progress) as advance:
            vectors = EmbeddingCache(key).encode(dense.encode_documents, texts, advance).vectors
        routes = [search_dense(dense.encode_queries([question]), vectors, depth)]
        lexical = BM25EmbeddingFunction(analyzer, variant="lucene")
        try:
            lexical.fit(texts)
        except ValueError:  # no text has a term: MiniLM alone
            pass
        else:
            routes.append(search_sparse(lexical.encode_queries([question]), lexical.encode_documents(texts), depth))
    ids = rrf(routes, most).ids[0]
    return [int(row) for row in ids if row != ABSENT]
