"""Differences between two BM25s in words, from the features that `refimpl.identify` measures."""

from collections.abc import Mapping
from dataclasses import dataclass

from refimpl.identify.features import Features
from refimpl.identify.idf_forms import FORMS
from refimpl.identify.query import COMBINE, OTHERS, REPEAT

TITLES: Mapping[str, str] = {
    "idf": "idf",
    "floor": "floor of the idf",
    "df": "document frequency",
    "base": "scale",
    "tf": "tf",
    "factor": "factor of the tf",
    "delta": "delta",
    "length": "length normalisation",
    "average": "average length",
    "shortest": "shortest relative length",
    "parameters": "k1 and b",
    "absent": "terms that the document lacks",
    "repeat": "repeated query terms",
    "combine": "combination of the terms",
    "empty": "empty documents",
    "sign": "sign of the scores",
    "squash": "function of the sum",
    "precision": "precision of the scores",
    "matching": "matching",
}
"""Feature -> its title, in the order in which differences are listed."""
BASES = ("e", "2", "10")
QUERY = {"repeat": {name: text for name, (_, text) in REPEAT.items()}}
QUERY["repeat"] |= {"multiset": "each one counts", "set": "counted once"}
QUERY |= {"combine": {**{name: text for name, (_, text) in COMBINE.items()}, **OTHERS, "sum": "the sum"}}
DF = {"documents": "number of documents", "occurrences": "number of occurrences"}
DF["words with the term inside"] = "number of documents with the term inside a word"


@dataclass(frozen=True)
class Difference:
    """A feature, what it is and what is expected, in words."""

    feature: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{TITLES.get(self.feature, self.feature)}: {self.found} instead of {self.expected}"


def differences(found: Features, expected: Features) -> list[Difference]:
    """The features that both have and that differ."""
    names = [name for name in TITLES if name in found and name in expected and _differs(name, found, expected)]
    return [Difference(name, worded(name, found[name]), worded(name, expected[name])) for name in names]


def undetermined(found: Features, expected: Features) -> list[str]:
    """The titles of the features that only `expected` has, and that the formula found may have."""
    absent = set[str]()
    if found.get("length", "").startswith(("none", "divided by", "Euclidean norm")):
        absent |= {"average", "shortest"}
    if "tf" in found and "saturated" not in found["tf"]:
        absent |= {"factor", "parameters"}
    return [title for name, title in TITLES.items() if name in expected and name not in found and name not in absent]


def _differs(name: str, found: Features, expected: Features) -> bool:
    if name == "precision":  # float32 deviates by less than a tolerance of float32
        return found[name].startswith(("rounded", "cut off")) or found[name] == "float16"
    if name == "average" and found[name] == "mean of tokens" and expected.get("length") == "tokens":
        return expected[name] != "mean of the same lengths"
    if name == "base" and {found[name], expected[name]} <= {"e", "none"}:
        return False
    return found[name] not in (expected[name], f"k1 = {expected[name]}")  # without lengths there is no b


def worded(name: str, value: str) -> str:
    """A feature's value in words."""
    if name == "idf":
        return next((f"{form.text} ({value})" for form in FORMS if form.name == value), value)
    if name == "base":
        return f"logarithm to base {value}" if value in BASES else value.replace("scale", "multiplied by")
    if name == "df":
        return DF[value]
    return QUERY.get(name, {}).get(value, value)
