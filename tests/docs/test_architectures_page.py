"""The table of architectures in docs/architectures.md: a row for each, figures as in the manifest."""

from pathlib import Path

import pytest
import seeded

from bench.architectures import KINDS
from refimpl import golden
from refimpl.bert.architectures import ARCHITECTURES

ROOT = Path(__file__).parents[2]
HEADER = "| model_type | published example |"
ALSO = {"jina_embeddings_v3": ("jina_embeddings_v3-lora",)}


def table(file):
    """The cells of each row below `HEADER`."""
    lines = iter((ROOT / file).read_text("utf-8").splitlines())
    next(line for line in lines if line.startswith(HEADER))
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows[1:]


ROWS = table("docs/architectures.md")


def kinds(row):
    return [kind for kind in row[0].split(", ") if kind in seeded.CONFIGS]


def test_every_architecture_has_a_row():
    named = [name for row in ROWS for name in row[0].split(", ")]
    assert len(named) == len(set(named))
    assert set(named) | {"nomic_bert_original"} >= set(ARCHITECTURES)
    assert {kinds(row)[0] for row in ROWS} == set(KINDS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_difference_is_the_largest_of_the_golden_vectors(row):
    observed = {
        vector.tensor.partition("/")[2]: vector.observed_max
        for vector in golden.vectors("family")
        if vector.stage == "last_hidden_state"
    }
    largest = max(observed[name] for kind in kinds(row) for name in (kind, *ALSO.get(kind, ())))
    assert row[4] == f"{largest:.1e}"


def test_the_weights_that_were_compared_are_stated():
    """Published: golden/test_minilm.py's; by hand: dense/test_all_mpnet.py's; the others have small random weights."""
    stated = {row[0]: row[3] for row in ROWS}
    assert {name: weights for name, weights in stated.items() if weights != "random"} == {
        "bert": "published",
        "mpnet": "published, by hand",
    }
