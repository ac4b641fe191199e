"""The page's BM25 functions in numbers.js against the Python functions of the same names, by Node."""

import json
import subprocess
from pathlib import Path

import numpy as np
import playwright
import pytest

from refimpl.explain.page import TEMPLATES
from refimpl.sparse.bm25 import VARIANTS, formulas

NODE = Path(playwright.__file__).parent / "driver" / "node"  # the browser driver that the page's tests need anyway
DF, N_DOCS, EPSILON = [1, 2, 3, 7, 7, 12, 19, 20], 20, 0.25
TF, DOC_LEN, AVGDL = [1, 2, 5, 40], [1, 3, 39, 40, 41, 100, 255, 256, 1000, 70_000], 61.25
PARAMETERS = [(k1, b, delta) for k1 in (0.0, 0.9, 1.5) for b in (0.0, 0.4, 1.0) for delta in (0.0, 0.5, 1.0)]
PUBLIC = {name for name in vars(formulas) if name.startswith(("idf_", "tf_"))}

SCRIPT = """
const data = { epsilon: input.epsilon, df_counts: input.df.map(df => [df, 1]) };
const result = { idfs: {}, tfs: {}, lengths: input.doc_len.map(lossyLength) };
for (const name of Object.keys(idfs)) result.idfs[name] = input.df.map(df => idfs[name](df, input.n_docs, data));
for (const name of Object.keys(tfs)) result.tfs[name] = input.parameters.map(([k1, b, delta]) => input.tf.map(tf =>
  input.doc_len.map(length => tfs[name](tf, lengthFactor(name, length, input.avgdl, b), k1, delta))));
console.log(JSON.stringify(result));
"""


@pytest.fixture(scope="module")
def in_page() -> dict[str, dict[str, list[float]]]:
    """The results of numbers.js, by function."""
    values = {"df": DF, "n_docs": N_DOCS, "epsilon": EPSILON, "tf": TF, "doc_len": DOC_LEN, "avgdl": AVGDL}
    values |= {"parameters": PARAMETERS}
    source = f"{(TEMPLATES / 'numbers.js').read_text('utf-8')}\nconst input = {json.dumps(values)};{SCRIPT}"
    run = subprocess.run([NODE, "-e", source], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(run.stdout)


def test_the_page_has_the_functions_of_formulas_by_name(in_page):
    assert set(in_page["idfs"]) | set(in_page["tfs"]) == PUBLIC
    assert set(in_page["idfs"]) == {variant.idf.__name__ for variant in VARIANTS.values()}
    assert set(in_page["tfs"]) == {variant.tf.__name__ for variant in VARIANTS.values()}


@pytest.mark.parametrize("name", sorted(name for name in PUBLIC if name.startswith("idf_")))
def test_idf(name, in_page):
    expected = getattr(formulas, name)(np.array(DF), N_DOCS, EPSILON)
    np.testing.assert_allclose(in_page["idfs"][name], expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", sorted(name for name in PUBLIC if name.startswith("tf_")))
def test_tf(name, in_page):
    tf, doc_len = np.meshgrid(TF, DOC_LEN, indexing="ij")
    expected = [getattr(formulas, name)(tf, doc_len, AVGDL, k1, b, delta) for k1, b, delta in PARAMETERS]
    np.testing.assert_allclose(in_page["tfs"][name], np.array(expected), rtol=1e-13)


def test_lengths_in_one_byte(in_page):
    """By hand from Lucene's SmallFloat: 39 and below exact, then four significant bits of length - 24."""
    assert in_page["lengths"] == [1, 3, 39, 40, 40, 96, 248, 248, 984, 65560]
