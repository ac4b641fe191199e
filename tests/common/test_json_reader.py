"""JSON by RFC 8259: what the standard allows is read as Python's parser reads it, everything else is one error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.common.json_reader import MOST_CONTAINERS, MOST_DEPTH, JsonError, checksum, parse_json, read_json

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
REFUSED = {
    "nothing": (b"", "Expecting value"),
    "text after the value": (b"[] []", "Extra data"),
    "NaN": (b'{"a": NaN}', "NaN is not a JSON number"),
    "-Infinity": (b"[-Infinity]", "-Infinity is not a JSON number"),
    "a float beyond the range": (b"[1e400]", "the number 1e400 is beyond a float's range"),
    "a long one beyond it": (b"1" * 250 + b".5e99", "beyond a float's range"),
    "an integer beyond it": (b"1" * 400, "beyond a float's range"),
    "an integer of 10,000 digits": (b"9" * 10_000, "beyond a float's range"),
    "a name twice": (b'{"a": 1, "b": {"c": 1, "c": 1}}', "the name 'c' occurs twice"),
    "a name twice, escaped": (b'{"a": 1, "\\u0061": 2}', "the name 'a' occurs twice"),
    "a lone surrogate": (b'["\\ud800"]', r"a lone surrogate '\\ud800'"),
    "half a pair reversed": (b'["\\udc00\\ud800"]', "a lone surrogate"),
    "a byte that is not UTF-8": (b'["\xff"]', r"not UTF-8 \(byte 2"),
    "two byte order marks": (b"\xef\xbb\xbf\xef\xbb\xbf[]", "BOM"),
    "too deep": (b"[" * (MOST_DEPTH + 1) + b"]" * (MOST_DEPTH + 1), "expected at most 100 nested"),
    "far too deep": (b'{"a":' * 200_000, "expected at most 100 nested"),
    "too many lists": (b"[" + b"[]," * MOST_CONTAINERS + b"0]", "expected at most 2000000 objects and lists"),
    "a control character": (b'["\x01"]', "control character"),
}


@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_json_or_too_much_is_one_error_with_the_files_name(content, reason):
    with pytest.raises(JsonError, match=rf"^config\.json is not valid JSON: .*{reason}") as error:
        parse_json(content, "config.json")
    assert len(str(error.value)) < 200


@given(VALUES)
def test_json_is_read_as_by_pythons_parser(value):
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        expected = json.loads(text)
        assert parse_json(text.encode(), "f") == expected
        assert parse_json(b"\xef\xbb\xbf" + text.encode(), "f") == expected
        assert parse_json(text, "f") == expected


@given(st.binary(max_size=40) | st.text('[]{},:"\\0123456789.-+eEtrufalsn \n', max_size=40).map(str.encode))
def test_any_bytes_are_a_value_of_pythons_parser_or_one_error(content):
    try:
        value = parse_json(content, "f")
    except JsonError:
        return
    assert value == json.loads(content.decode("utf-8-sig"))


def test_limits_do_not_count_what_is_in_strings():
    text = "[{\\" * 50_000 + '"'
    assert parse_json(json.dumps([text, {"a": text}]), "f") == [text, {"a": text}]
    nested = b"[" * MOST_DEPTH + b"]" * MOST_DEPTH
    assert parse_json(b"[" + nested[1:-1] + b"]", "f") == json.loads(nested)


def test_numbers_at_the_ends_of_the_range_are_read():
    text = "[1.7976931348623157e308, -1e308, 5e-324, 1e-400, " + "1" * 308 + "]"
    assert parse_json(text, "f") == json.loads(text)


def test_lone_surrogates_where_they_are_allowed():
    assert parse_json(b'["\\ud800"]', "f", lone_surrogates=True) == ["\ud800"]
    assert parse_json(b'["\\ud83d\\ude00"]', "f") == ["😀"]


def test_a_file_is_named_with_its_path(tmp_path):
    file = tmp_path / "index.json"
    file.write_text("[1", encoding="utf-8")
    with pytest.raises(JsonError, match=r"index\.json is not valid JSON"):
        read_json(file)
    file.write_text("[1]", encoding="utf-8")
    assert read_json(file) == [1]


def test_the_checksum_depends_on_values_and_not_on_layout():
    values = {"a": [1, 2.5, "x"], "b": None}
    same = json.loads(json.dumps(dict(reversed(values.items())), indent=4)) | {"checksum": "anything"}
    assert checksum(values) == checksum(same)
    others = [{"a": [1, 2.5, "y"], "b": None}, {"a": [1.0, 2.5, "x"], "b": None}, {"a": [1, 2.5, "x"]}]
    assert len({checksum(values), *map(checksum, others)}) == 4
