"""The table of implementations, and the words and formulas of what is identified."""

import pytest
from bm25_zoo import Zoo

from refimpl.check.targets.python import PythonTarget
from refimpl.identify import identify_bm25, implementations
from refimpl.identify.bm25 import measure
from refimpl.identify.features import features, nearest, nearest_few
from refimpl.identify.idf_forms import FORMS
from refimpl.identify.query import COMBINE, OTHERS, REPEAT

FEATURES = {
    "idf",
    "floor",
    "df",
    "tf",
    "length",
    "delta",
    "factor",
    "average",
    "shortest",
    "parameters",
    "absent",
    "base",
}
FEATURES |= {"repeat", "combine", "empty", "sign", "precision", "squash", "matching"}


def test_every_entry_can_be_measured():
    for one in implementations():
        assert one.features.keys() <= FEATURES, one.name
        assert one.features["idf"] in {form.name for form in FORMS}, one.name
        assert one.features.get("repeat", "set") in REPEAT, one.name
        assert one.features.get("combine", "sum") in (*COMBINE, *OTHERS), one.name
        assert one.source, one.name
        assert one.source != "measured" or any(part[0].isdigit() for part in one.name.split()), one.name


def test_measured_entries_with_the_same_features_are_named_together():
    """Two names of one formula are never told as one of them, nor as three: the others differ."""
    groups = {}
    for one in implementations():
        if one.source == "measured":
            groups.setdefault(tuple(sorted(one.features.items())), []).append(one)
    equal = [group for group in groups.values() if len(group) > 1]
    assert [[one.name for one in group] for group in equal] == [["txtai bm25 9.14.0", "bm25_pt 0.0.7"]]
    for group in equal:
        found = [match.implementation.name for match in nearest_few(group[0].features, 1)]
        assert found == [one.name for one in group]


def test_an_entry_is_nearest_to_itself():
    for one in implementations():
        assert one.name in [m.implementation.name for m in nearest(one.features) if not m.different]


def test_features_of_the_zoo_are_all_known_to_the_table():
    found = features(measure(PythonTarget(Zoo({"length": "at least half"}), "zoo")))
    assert found.keys() <= FEATURES
    assert FEATURES - found.keys() == set()


@pytest.mark.parametrize(
    ("factors", "text", "latex"),
    [
        (
            {"idf": "robertson floored at 1e-6", "parameters": "fixed 1.2, 0.75"},
            "floor[ln((N - n + 0.5) / (n + 0.5)); 1e-06, where zero or negative] * f (k1 + 1) / (f + K), "
            "K = k1 (1 - b + b L / A), k1 = 1.2, b = 0.75",
            r"\frac{f (k_1 + 1)}{f + K},\quad K = k_1 \left(1 - b + b \frac{L}{A}\right),\ k_1 = 1.2",
        ),
        (
            {"tf": "BM25L"},
            "* (k1 + 1) (c + 0.5) / (k1 + c + 0.5), c = f / (1 - b + b L / A)",
            r"\frac{(k_1 + 1) (c + 0.5)}{k_1 + c + 0.5}",
        ),
        ({"tf": "delta outside"}, "* (1 + f (k1 + 1) / (f + K))", r"\left(1 + \frac{f (k_1 + 1)}{f + K}\right)"),
        ({"tf": "delta inside"}, "* (0.5 + f (k1 + 1)) / (f + K)", r"\frac{0.5 + f (k_1 + 1)}{f + K}"),
        ({"tf": "multiplied by f again"}, "* f * f (k1 + 1) / (f + K)", r"f \cdot \frac{f (k_1 + 1)}{f + K}"),
        ({"tf": "share of the length"}, "* f / L", r"\frac{f}{L}"),
        ({"length": "at least half"}, "b max(L / A, 0.5)", r"\max\left(\frac{L}{A}, 0.5\right)"),
        (
            {"query": "all terms"},
            "A = mean of the same lengths; only documents with all query terms have a score",
            r"\quad \text{only documents with all query terms have a score}",
        ),
        ({"scores": "times 2.5"}, "sum over t of 2.5 ln(", r"\sum_{t} 2.5 \ln"),
        ({"scores": "sigmoid"}, "x = the sum, score = sigmoid of x", r"\frac{1}{1 + e^{-x}},\quad x = \sum_{t} 0.125"),
        ({"idf": "ln(N/(n+1)) + 1"}, "(ln(N / (n + 1)) + 1) *", r"\left(\ln\left(\frac{N}{n+1}\right) + 1\right)"),
        ({"idf": "base 2"}, "log2(1 + (N - n + 0.5) / (n + 0.5))", r"\log_{2}\left("),
    ],
)
def test_the_formula_as_text_and_as_latex(factors, text, latex):
    identified = identify_bm25(PythonTarget(Zoo(factors), "zoo"))
    assert text in identified.text
    assert latex in identified.latex


def test_two_implementations_of_one_formula_are_both_named():
    sentence = identify_bm25(PythonTarget(Zoo({"scores": "float32"}), "zoo")).sentence
    assert sentence.endswith("this is the formula of txtai bm25 9.14.0 and bm25_pt 0.0.7."), sentence
