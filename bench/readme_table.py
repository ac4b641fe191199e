"""README.md's table of figures, written from data/expected.yaml.

python -m bench.readme_table
"""

import re
from pathlib import Path

from refimpl.common.atomic import write_atomically
from refimpl.systems.reproduce import Expected, expected_runs

README = Path(__file__).parents[1] / "README.md"
COMMAND = "python -m bench.readme_table"
TABLE = re.compile(rf"(?<=<!-- written by {COMMAND} -->\n\n).*?(?=\n\n<!-- -->)", re.DOTALL)
COLLECTIONS = {"nfcorpus": "NFCorpus", "cranfield": "Cranfield"}
LABELS = {
    "dense": "all-MiniLM-L6-v2",
    "bm25": "BM25 of pymilvus.model",
    "milvus-bm25": "BM25 of Milvus",
    "hybrid-rrf": "dense and BM25, reciprocal rank fusion",
    "hybrid-weighted": "dense and BM25, weighted fusion",
}
MEASURES = {"nDCG@10": "[nDCG@10](docs/glossary.md#ndcg)", "recall@100": "[recall@100](docs/glossary.md#recall)"}


def main() -> None:
    """Write the table into README.md."""
    write_atomically(README, updated(README.read_text(encoding="utf-8")))
    print(README)


def updated(readme: str) -> str:
    """The text with the table of the recorded figures; ValueError where it has no place for it."""
    if len(TABLE.findall(readme)) != 1:
        raise ValueError(f"expected one table after `<!-- written by {COMMAND} -->`, got {len(TABLE.findall(readme))}")
    return TABLE.sub(lambda _: table(expected_runs()), readme)


def table(runs: dict[str, Expected]) -> str:
    """One row per system, one column per collection and measure; the first collection's measures are links."""
    heads: list[str] = []
    for title in COLLECTIONS.values():
        first, *others = MEASURES if heads else MEASURES.values()
        heads += [f"{title} {first}", *others]
    rows = [["system", *heads]]
    for system, label in LABELS.items():
        figures = [f"{runs[name].figures[system][measure]:.4f}" for name in COLLECTIONS for measure in MEASURES]
        rows.append([label + published(system, runs), *figures])
    head, *lines = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *lines])


def published(system: str, runs: dict[str, Expected]) -> str:
    """The figures that others published for a system, in brackets."""
    figures = [runs[name].published.get(system) for name in COLLECTIONS]
    known = [f"{each[measure]:.4f}" for each in figures if each for measure in MEASURES]
    return f" (published: {', '.join(known)})" if known else ""


if __name__ == "__main__":
    main()
