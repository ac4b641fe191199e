"""Systems by name, `dense,bm25,hybrid-rrf`: runs over a data set, and searches in what a run has built.

The only package that imports embedding functions, rerankers and search.
"""

from refimpl.search.milvus_uri import Connection
from refimpl.systems.build import Settings, build
from refimpl.systems.names import ABOUT, DEFAULT
from refimpl.systems.run import run
from refimpl.systems.search import BestSystem, SearchOptions, best_system, search

__all__ = [
    "ABOUT",
    "DEFAULT",
    "BestSystem",
    "Connection",
    "SearchOptions",
    "Settings",
    "best_system",
    "build",
    "run",
    "search",
]
