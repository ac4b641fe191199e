"""The generated parts of README.md: `python -m docs.landing` writes its pictures and its table of differences.

The table's figures are the `observed_max` of the golden vectors' manifests, and what `refimpl check` finds in refimpl.
"""

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from docs import pictures
from refimpl import golden
from refimpl.bert.architectures import ARCHITECTURES
from refimpl.check.result import CaseResult
from refimpl.check.runner import check
from refimpl.check.suites.base import Settings
from refimpl.check.targets.python import PythonTarget
from refimpl.compare.tolerance import named
from refimpl.golden import GoldenVector
from refimpl.providers import PROVIDERS
from refimpl.sparse.bm25 import VARIANTS

README = Path(__file__).parents[1] / "README.md"
START, END = "<!-- differences: python -m docs.landing -->", "<!-- end of differences -->"
HEADER = ("what", "compared with", "cases", "largest difference", "allowed")

FLOAT32 = named("float32")

Row = tuple[str, str, str, str, str]


def of_vectors() -> Iterator[Row]:
    """Rows of the golden vectors: the largest difference when they were written, and the tolerance of the tests."""
    minilm, family = golden.vectors(), golden.vectors("family")

    def among(vectors: Sequence[GoldenVector], *stages: str) -> list[GoldenVector]:
        return [vector for vector in vectors if any(vector.stage.endswith(stage) for stage in stages)]

    texts = golden.manifest()["cases"]
    float64 = [vector for vector in minilm if vector.dtype == "float64"]
    yield _row("token ids", among(minilm, "input_ids", "lengths", "truncated"), f"{texts} texts")
    yield _row("all-MiniLM-L6-v2, every layer, float64", float64, f"{texts} texts")
    yield _row("all-MiniLM-L6-v2, unit vectors, float32", [v for v in minilm if v.dtype == "float32"], f"{texts} texts")
    hidden = among(family, "last_hidden_state")
    yield _row(f"{len(ARCHITECTURES)} [architectures](docs/architectures.md), hidden states", hidden)
    others = [vector for vector in family if vector not in hidden]
    yield _row("pooling modes, adapters, heads, BGE-M3, SPLADE, Qwen3's scores", others)


def _row(what: str, vectors: Sequence[GoldenVector], cases: str = "") -> Row:
    sources = ", ".join(sorted({vector.source["package"] for vector in vectors}))
    largest, allowed = max(v.observed_max for v in vectors), max(v.tolerance for v in vectors)
    return what, sources, cases or f"{len(vectors)} vectors", _number(largest), _number(allowed)


def _number(value: float) -> str:
    return "equal" if value == 0 else f"{value:.1e}"


def of_checks() -> Iterator[Row]:
    """Rows of `refimpl check` on refimpl: the largest difference as a share of the one that its case allows."""
    sys.path.append(str(README.parent / "tests" / "helpers"))
    import references

    variants = f"{len(VARIANTS)} [variants of BM25](docs/bm25-variants.md)"
    yield _checked(variants, "bm25", references.bm25, [Settings(FLOAT32, name, diagnose=False) for name in VARIANTS])
    functions = {
        "cross-encoder scores": ("rerank-scores", references.rerank),
        "nDCG, recall, MRR, MAP and more": ("metrics", references.metrics),
        "rank fusion": ("fusion", references.fuse),
    }
    for what, (suite, function) in functions.items():
        yield _checked(what, suite, function, [Settings(FLOAT32, diagnose=False)])
    protocols = ", ".join(PROVIDERS)
    yield f"protocols: {protocols}", "recorded exchanges", f"{len(PROVIDERS)} providers", "equal", "equal"


def _checked(what: str, suite: str, function: Callable[..., Any], runs: Sequence[Settings]) -> Row:
    results: list[CaseResult] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a negative idf is a case
        for settings in runs:
            results += [
                one for one in check(PythonTarget(function, "refimpl"), [suite], settings) if one.distance is not None
            ]
    if failed := [one.case.name for one in results if not one.ok]:
        raise AssertionError(f"{suite}: {failed} do not match")
    largest = max(one.distance or 0.0 for one in results)
    return (
        what,
        _sources(suite.removesuffix("-scores")),
        f"{len(results)} cases",
        f"{largest:.0%} of allowed",
        "by case",
    )


def _sources(suite: str) -> str:
    found = [case.source for case in golden.cases(suite).values()]
    packages = {
        one["package"] for source in found for one in (source.values() if "package" not in source else [source])
    }
    return ", ".join(sorted(packages))


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [HEADER, ("---",) * len(HEADER), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def replaced(readme: str, rows: Sequence[Row]) -> str:
    """The text with the table between its two comments."""
    before, _, rest = readme.partition(START)
    return f"{before}{START}\n\n{table(rows)}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    pictures.write()
    README.write_text(replaced(README.read_text("utf-8"), [*of_vectors(), *of_checks()]), encoding="utf-8")
