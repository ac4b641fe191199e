"""The features of the synthetic BM25s of `bm25_zoo`, by hand; nothing of refimpl in it."""

import math

PLAIN_TF = {"binary": "binary", "share of the length": "f", "root": "sqrt(f)", "1 + ln": "1 + ln f"}
"""Weights without saturation: k1, b and lengths have no effect."""
IDF = {
    "robertson floored at 1e-6": ("Robertson", "1e-06, where zero or negative"),
    "robertson floored at a quarter of the mean": ("Robertson", "0.25 of the mean, where negative"),
    "robertson, everything below a tenth of the mean raised to it": ("Robertson", "0.1 of the mean, where smaller"),
    "robertson, exact zeros raised to 0.2": ("Robertson", "0.2, where zero"),
    "robertson clamped at 0": ("Robertson", "0, where negative"),
    "robertson": ("Robertson", "none"),
    "xapian": ("Xapian", "none"),
    "ln((N+1)/(n+1)) + 1": ("smoothed + 1", "none"),
    "ln(N/n)": ("ATIRE", "none"),
    "ln((N+1)/n)": ("BM25+", "none"),
    "no logarithm": ("N/n", "none"),
    "none": ("none", "none"),
    "base 10": ("Lucene", "none"),
    "base 2": ("Lucene", "none"),
}
TF = {
    "without k1 + 1": {"factor": "none"},
    "delta outside": {"delta": "outside 1"},
    "delta inside": {"delta": "numerator 0.5"},
    "BM25L": {"delta": "BM25L 0.5"},
    "root, saturated": {"tf": "saturated sqrt(f)"},
    "1 + ln, saturated": {"tf": "saturated 1 + ln f"},
    "multiplied by f again": {"tf": "f times saturated f"},
}
LENGTH = {
    "distinct": {"length": "distinct terms"},
    "distinct average": {"average": "mean of distinct terms"},
    "one byte": {"length": "tokens in one byte (Lucene's table)", "average": "mean of tokens"},
    "at least half": {"shortest": "0.5"},
    "average 256": {"average": "constant 256"},
    "integer average": {"average": "mean, rounded down to an integer"},
}
QUERY = {
    "set": {"repeat": "set"},
    "saturated": {"repeat": "saturated"},
    "all terms": {"combine": "all terms"},
    "coordination": {"combine": "coordination"},
    "norm": {"combine": "norm"},
    "times matched": {"combine": "times matched"},
}
SCORES = {
    "negated": {"sign": "negated"},
    "3 decimals": {"precision": "rounded to 3 decimals"},
    "4 decimals": {"precision": "rounded to 4 decimals"},
    "float32": {"precision": "float32"},
    "sigmoid": {"squash": "sigmoid"},
    "best": {"squash": "divided by the best"},
}
EMPTY = {"not counted": {"empty": "not counted"}, "not in the average": {"empty": "not in the average"}}


def truth(factors: dict[str, str]) -> dict[str, str]:
    """The features of a Zoo with `factors`, without those that have no effect on any score."""
    idf, tf, size = (factors.get(name, "") for name in ("idf", "tf", "length"))
    found = {"df": "occurrences" if "df" in factors else "documents", "absent": "0", "matching": "whole terms"}
    found["idf"], found["floor"] = IDF.get(idf, (idf or "Lucene", "none"))
    found |= {"repeat": "multiset", "combine": "sum", "sign": "positive", "precision": "float64", "squash": "none"}
    found |= {"tf": "saturated f", "factor": "k1 + 1", "delta": "none", "length": "tokens", "empty": "counted"}
    found |= {"average": "mean of the same lengths", "shortest": "none", "base": scale(factors)}
    found["parameters"] = parameters(factors)
    for group, table in (("tf", TF), ("length", LENGTH), ("query", QUERY), ("scores", SCORES), ("empty", EMPTY)):
        found |= table.get(factors.get(group, ""), {})
    hidden = set()
    if size == "none":
        found |= {"length": "none", "parameters": parameters(factors).split(", b")[0]}
        if not found["parameters"].startswith("k1"):
            found["parameters"] = f"k1 = {found['parameters']}"
        hidden |= {"average", "shortest"}
    if tf in PLAIN_TF:
        found |= {"tf": PLAIN_TF[tf], "length": "divided by tokens" if tf == "share of the length" else "none"}
        hidden |= {"factor", "average", "shortest", "parameters"}
    if hidden >= {"average"} or size == "average 256":
        found["empty"] = {"not in the average": "counted"}.get(found["empty"], found["empty"])
    if idf == "none":
        hidden |= {"df"}
        found["empty"] = {"not counted": "not in the average"}.get(found["empty"], found["empty"])
        if hidden >= {"average"} or size == "average 256":
            hidden |= {"empty"}
    if idf in ("robertson floored at 1e-6", "robertson clamped at 0") and "decimals" in factors.get("scores", ""):
        hidden |= {"floor"}
    fixed = factors.get("parameters", "").startswith("fixed")
    scores = factors.get("scores", "")
    if scores == "best":
        hidden |= {"base", "factor"}
        hidden |= {"combine"} if found["combine"] in ("sum", "norm") else set()
    if fixed and scores in ("best", "sigmoid", "times 2.5") and tf not in PLAIN_TF:
        hidden |= {"base", "factor", "delta"}
    if fixed and size == "average 256" and (scores in ("best", "sigmoid", "times 2.5") or tf in TF):
        hidden |= {"average", "parameters", "factor", "base", "delta"}
    return {name: value for name, value in found.items() if name not in hidden}


def scale(factors: dict[str, str]) -> str:
    times = {"sigmoid": 0.125, "times 2.5": 2.5}.get(factors.get("scores", ""), 1.0)
    idf = factors.get("idf", "")
    base = {"base 10": 10.0, "base 2": 2.0}.get(idf)
    if times == 1:
        return "none" if idf in ("none", "no logarithm") or idf.endswith("+ 1") else f"{base:g}" if base else "e"
    return f"scale {times / (math.log(base) if base else 1.0):.6g}"


def parameters(factors: dict[str, str]) -> str:
    kind = factors.get("parameters", "")
    if kind.startswith("fixed"):
        k1, b = kind.removeprefix("fixed ").split(", ")
        return f"k1 = {k1}, b = {b}"
    return "the call's, 0 becomes the default" if kind else "the call's"
