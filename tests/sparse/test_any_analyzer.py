"""Any callable as analyzer: whatever iterable of tokens it returns, in one process or several."""

import multiprocessing
import threading

import numpy as np
import pytest

from refimpl import BM25EmbeddingFunction, BM25Index, build_analyzer
from refimpl.sparse.term_counts import TEXTS_PER_TASK

pytestmark = pytest.mark.filterwarnings("ignore::refimpl.sparse.bm25.BM25WeightWarning")
MANY = [f"Word{i % 17} word{i % 29} common{i}" for i in range(2 * TEXTS_PER_TASK + 100)]


def lower_case(text):
    yield from text.lower().split()


class Split:
    """Tokens of its own instance, a callable without a name."""

    def __init__(self, separator):
        self.separator = separator

    def __call__(self, text):
        return iter(text.lower().split(self.separator))


def in_a_function(separator):
    return lambda text: tuple(text.lower().split(separator))


ANALYZERS = {
    "generator function": lower_case,
    "map object": lambda text: map(str.lower, text.split()),
    "generator expression": lambda text: (word.lower() for word in text.split()),
    "array": lambda text: np.array(text.lower().split()),
    "keys of a dict": lambda text: dict.fromkeys(text.lower().split()).keys(),
    "iterator of an instance": Split(" "),
    "tuple of a closure": in_a_function(" "),
}


@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.parametrize("name", ANALYZERS)
def test_what_any_callable_returns_is_read_as_its_list_would_be(name, num_workers):
    texts = MANY if num_workers == 2 else MANY[:40]
    analyzer = ANALYZERS[name]
    by_list = BM25EmbeddingFunction(lambda text: [str(token) for token in analyzer(text)], texts)
    function = BM25EmbeddingFunction(analyzer, texts, num_workers=num_workers)
    assert list(function.idf.items()) == list(by_list.idf.items())
    assert (function.encode_documents(texts) != by_list.encode_documents(texts)).nnz == 0
    assert (function.encode_queries(texts[:50]) != by_list.encode_queries(texts[:50])).nnz == 0


@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.parametrize("name", ANALYZERS)
def test_an_index_of_any_callable_finds_the_text_of_a_rare_term(name, num_workers):
    index = BM25Index.build(MANY, analyzer=ANALYZERS[name], variant="lucene", num_workers=num_workers)
    ids, _ = index.search(["COMMON7", "common3999 unknown"], k=1)
    assert ids.tolist() == [[7], [3999]]


def test_several_processes_give_what_one_gives():
    one = BM25EmbeddingFunction(build_analyzer("simple"), MANY)
    two = BM25EmbeddingFunction(build_analyzer("simple"), MANY, num_workers=2)
    assert list(one.idf.items()) == list(two.idf.items())
    assert (one.encode_documents(MANY) != two.encode_documents(MANY)).nnz == 0


def test_an_unpicklable_analyzer_in_several_processes_raises():
    lock = threading.Lock()
    function = BM25EmbeddingFunction(lambda text: text.split() if lock else [], num_workers=2)
    before = set(multiprocessing.active_children())  # of other tests: a Dask cluster's workers
    with pytest.raises(TypeError, match=r"analyzer must be picklable, got <function .* pass num_workers=1"):
        function.fit(MANY)
    assert set(multiprocessing.active_children()) <= before


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.parametrize(
    ("analyzer", "message"),
    [
        (str.upper, "token list 0 must be a list of str, got one str: 'WORD0"),
        (lambda text: None, "token list 0 must be a list of str, got one NoneType"),
        (len, "token list 0 must be a list of str, got one int"),
        (lambda text: [len(text)], "a token must be a str, got int"),
        (lambda text: iter([text.encode()]), "a token must be a str, got bytes"),
    ],
)
def test_an_analyzer_that_returns_something_else(analyzer, message, num_workers):
    with pytest.raises(TypeError, match=message):
        BM25EmbeddingFunction(analyzer, MANY, num_workers=num_workers)


@pytest.mark.usefixtures("unchecked")
def test_an_analyzer_that_returns_something_else_for_a_query():
    index = BM25Index.build(["A b", "a C"], analyzer=lambda text: text.split() if " " in text else text)
    with pytest.raises(TypeError, match="token list 1 must be a list of str, got one str: 'abc'"):
        index.search(["a b", "abc"], k=1)
