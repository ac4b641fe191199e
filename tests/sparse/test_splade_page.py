"""docs/splade.md: its code prints its output block; both libraries compute its table of padding."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

from refimpl import SpladeEmbeddingFunction, models

PAGE = (Path(__file__).parents[2] / "docs" / "splade.md").read_text("utf-8")
OTHER_TEXT = (
    "a fish is a creature that lives in water and swims, and a cat is a feline that likes to purr in the sun all day"
)
ROWS = {
    row[1]: [float(cell) for cell in row[2].split("|")]
    for row in re.finditer(r"^\| ([a-z]+) \|((?: \d\.\d{3} \|){2} \d\.\d{3} )\|$", PAGE, re.MULTILINE)
}


def test_the_code_prints_its_output_block():
    ((code, expected),) = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", PAGE, re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "docs/splade.md", "exec"), {})
    assert printed.getvalue() == expected


@pytest.fixture(scope="module")
def ours():
    return SpladeEmbeddingFunction("splade-tiny")


def weights_of(ours, row):
    weights = dict(ours.decode(row.astype(np.float32)))
    assert set(weights) <= set(ROWS)
    return [weights.get(piece, 0.0) for piece in ROWS]


def test_other_texts_of_the_batch_change_nothing(ours):
    assert len(ROWS) == 8
    column = [row[0] for row in ROWS.values()]
    np.testing.assert_allclose(weights_of(ours, ours(["cats"])[[0]]), column, atol=5.1e-4)
    np.testing.assert_allclose(weights_of(ours, ours(["cats", OTHER_TEXT])[[0]]), column, atol=5.1e-4)


@pytest.mark.peer
def test_other_texts_of_the_batch_change_pymilvus_models_vectors(ours):
    """Its own code, with the tokenizer method that transformers 5 removed."""
    from pymilvus.model.sparse import SpladeEmbeddingFunction as Theirs

    theirs = Theirs(str(models.path("splade-tiny")))
    tokenizer = theirs.model.tokenizer
    tokenizer.__dict__["batch_encode_plus"] = tokenizer.__call__
    assert len(tokenizer(OTHER_TEXT).input_ids) == int(re.search(r"beside a text of (\d+) tokens", PAGE)[1])
    for place, batch in ((1, ["cats"]), (2, ["cats", OTHER_TEXT])):
        column = [row[place] for row in ROWS.values()]
        np.testing.assert_allclose(weights_of(ours, theirs(batch)[[0]]), column, atol=5.1e-4)
