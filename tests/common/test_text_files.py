"""Numbers, ids and byte order marks in text files."""

import pytest

from refimpl.common.text_files import check_id, decimal, decoded, integer, numbered


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("-1", -1), ("+2", 2), ("007", 7), ("999999999", 999999999)])
def test_integers(text, number):
    assert integer(text, "score") == number


@pytest.mark.parametrize("text", ["", "1_0", "١", "1.0", " 1", "1\n", "1e3", "0x1", "10000000000", "--1", "²"])
def test_other_integers_are_refused(text):
    with pytest.raises(ValueError, match="the score must be an integer of at most 9 digits"):
        integer(text, "score")


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1.0), ("-.5", -0.5), ("1.", 1.0), ("1e-400", 0.0), ("+2E3", 2000.0)]
)
def test_decimals(text, number):
    assert decimal(text, "score") == number


@pytest.mark.parametrize("text", ["", "nan", "NaN", "inf", "-Infinity", "1e400", "1_0.5", "١.٥", "0x1p3", ".", "1 2"])
def test_other_decimals_are_refused(text):
    with pytest.raises(ValueError, match="the score must be a finite number"):
        decimal(text, "score")


@pytest.mark.parametrize("value", ["a", "é" * 256, "numpy.array", "MED-1", '"', "\\", "a\u200bb", "[CLS]"])
def test_ids(value):
    check_id(value, "'_id'")


REFUSED = {"": "is empty", "a b": "white space", " a": "white space", "a\t": "white space", "a\u00a0b": "white space"}
REFUSED |= {
    "a\u2028b": "white space",
    "a\0": "control",
    "a\r": "white space",
    "\x7f": "control",
    "a\x85": "white space",
}
REFUSED |= {"\ufeffa": "byte order mark", "é" * 257: "at most 512 bytes, got 514", "\ud800": "lone surrogate"}


@pytest.mark.parametrize(
    ("value", "reason"), [*REFUSED.items(), (None, "got NoneType"), (7, "got int"), (b"a", "bytes")]
)
def test_other_ids_are_refused(value, reason):
    with pytest.raises(ValueError, match=rf"^'_id' .*{reason}"):
        check_id(value, "'_id'")


def test_a_byte_order_mark_is_skipped_at_the_start_of_a_file_only():
    assert decoded(b"\xef\xbb\xbfa", first=True) == "a"
    assert decoded(b"\xef\xbb\xbfa", first=False) == "\ufeffa"
    assert list(numbered([b"\xef\xbb\xbf\n", b" \n", b"a\n", b"\xef\xbb\xbf\n"])) == [
        (3, b"a\n"),
        (4, b"\xef\xbb\xbf\n"),
    ]
