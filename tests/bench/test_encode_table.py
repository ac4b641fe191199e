"""The table of the encoder's aims: ratios, limits and verdicts, worked out by hand from made-up seconds."""

from types import SimpleNamespace

from bench import encode_table
from bench.encode_table import A_CORE, ONNX, OURS, PADDED, PRODUCTS, READING, TORCH


def entry(case: str, competitor: str, *seconds: float) -> SimpleNamespace:
    facts = {"stage": "encode", "case": case, "competitor": competitor}
    return SimpleNamespace(extra_info=facts, stats=SimpleNamespace(data=list(seconds)))


def rows(*entries: SimpleNamespace) -> dict[str, list[str]]:
    """Each line of the table by what it says: its other cells."""
    head, *lines = encode_table.lines(entries)
    width = head.index("  aim")
    return {line[:width].strip(): line[width:].split(maxsplit=3) for line in lines}


def test_measured_beside_the_aim_and_the_limit():
    found = rows(
        entry("short", OURS, 1.0, 2.0, 9.0),  # median 2
        entry("short", TORCH, 3.0),
        entry("short", ONNX, 2.4),
        entry("short", A_CORE, 2.2),  # the quicker of the two counts
        entry("short", PRODUCTS, 1.5),
    )
    assert found == {
        "throughput, short: times sentence-transformers": ["2.00", "1.50", "2.00", "short of it"],
        "throughput, short: times the better onnxruntime": ["1.10", "1.10", "1.47", "reached"],
        "short: share of the rate of matrix products alone": ["0.80", "0.75", "1.00", "short of it"],
    }


def test_an_aim_that_the_products_alone_miss_is_beyond_the_limit():
    case = "mixed, as commonly used"
    found = rows(entry(case, OURS, 1.0), entry(case, PADDED, 2.0), entry(case, PRODUCTS, 0.5))
    assert list(found.values()) == [["5.00", "2.00", "4.00", "short of it, beyond the limit"]]


def test_one_query_is_bounded_by_reading_its_weights():
    found = rows(
        entry("one query", OURS, *[4.0] * 94, *[6.0] * 6),
        entry("one query", ONNX, 2.0),
        entry("one query", READING, 1.0),
    )
    assert found == {
        "one query: onnxruntime's latency over ours": ["0.67", "0.50", "2.00", "short of it"],
        "one query: p95 over p50 (at most)": ["1.30", "1.50", "over"],
    }


def test_nothing_raced_gives_no_table():
    assert encode_table.lines([]) == []
    assert encode_table.lines([entry("short", TORCH, 1.0)]) == []
