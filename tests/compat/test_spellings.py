"""Every documented way to reach a name of pymilvus.model after the import line is changed: spellings.txt."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

LINES = [
    line
    for line in (Path(__file__).parent / "spellings.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
RUNNER = """
import json, sys
outcomes = {}
for statement in json.load(sys.stdin):
    for name in [name for name in sys.modules if name.partition(".")[0] == "refimpl"]:
        del sys.modules[name]
    try:
        exec(statement, {})
        outcomes[statement] = None
    except Exception as error:
        outcomes[statement] = f"{type(error).__name__}: {error}"
print(json.dumps(outcomes))
"""


def one_name_each(line: str) -> list[str]:
    """`from m import a, b` as one statement per name; any other line as it is."""
    statement = ast.parse(line).body[-1]
    if not isinstance(statement, ast.ImportFrom):
        return [line]
    return [f"from {statement.module} import {alias.name}" for alias in statement.names]


def run(statements: list[str]) -> dict[str, str | None]:
    """The error of each statement, or None, with no module of refimpl loaded before it."""
    done = subprocess.run(
        [sys.executable, "-c", RUNNER], input=json.dumps(statements), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str | None]:
    return run(list(dict.fromkeys([*LINES, *(each for line in LINES for each in one_name_each(line))])))


def test_the_list_has_every_documented_line() -> None:
    assert len(LINES) == len(set(LINES)) == 41


@pytest.mark.parametrize("line", LINES)
def test_a_documented_spelling_works(line: str, outcomes: dict[str, str | None]) -> None:
    for statement in (line, *one_name_each(line)):
        assert outcomes[statement] is None, statement


MORE = [
    "import refimpl as model; model.dense.openai.OpenAIEmbeddingFunction",
    "import refimpl as model; model.dense.model2vec_embed.Model2VecEmbeddingFunction",
    "import refimpl as model; model.sparse.bm25.tokenizers.build_default_analyzer('en')('a cat')",
    "import refimpl as model; model.sparse.bm25.bm25.BM25EmbeddingFunction",
    "import refimpl as model; model.sparse.splade.SpladeEmbeddingFunction",
    "import refimpl as model; model.hybrid.bge_m3.BGEM3EmbeddingFunction",
    "import refimpl as model; model.reranker.jinaai.JinaRerankFunction",
    "import refimpl as model; model.reranker.voyageai.VoyageRerankFunction",
    "import refimpl as model; model.base.BaseEmbeddingFunction",
    "import refimpl.dense; refimpl.dense.TEIEmbeddingFunction",
    "import refimpl.sparse.bm25.tokenizers as t; t.Analyzer",
    "import refimpl.reranker as r; r.cohere.CohereRerankFunction",
    "from refimpl import *; (dense, hybrid, reranker, sparse, DefaultEmbeddingFunction, BM25EmbeddingFunction)",
    "from refimpl.dense import *; (VoyageEmbeddingFunction, OpenAIEmbeddingFunction)",
    "from refimpl.reranker import *; CrossEncoderRerankFunction",
    "from refimpl.sparse import *; SpladeEmbeddingFunction",
    "from refimpl.hybrid import *; BGEM3EmbeddingFunction",
    "from refimpl.sparse.bm25 import *; build_analyzer_from_yaml",
    "from refimpl.sparse.bm25.tokenizers import TextFilter, Tokenizer, Preprocessor, register_class",
]


def test_further_spellings_of_the_same_kinds_work() -> None:
    found = run(MORE)
    assert {statement: error for statement, error in found.items() if error is not None} == {}


def test_a_star_import_binds_no_module_of_a_provider() -> None:
    """`from refimpl.dense import *` beside `import openai` must leave the user's `openai` alone."""
    statement = "from refimpl.dense import *; import refimpl.dense.openai; from refimpl.dense import *; "
    found = run([statement + "assert not {'openai', 'cohere', 'voyageai'} & set(globals())"])
    assert list(found.values()) == [None]
