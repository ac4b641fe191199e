"""TREC run files are read back exactly; malformed lines are errors with file and line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.evaluate import read_run, write_run

ids = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=6)
scores = st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(ids, st.dictionaries(ids, scores, min_size=1, max_size=5), max_size=4))
def test_a_run_file_reads_back_exactly(tmp_path_factory, run):
    path = tmp_path_factory.mktemp("run") / "run.trec"
    write_run(run, path, "tag")
    assert read_run(path) == run


def test_a_run_file_has_trecs_format(tmp_path):
    write_run({"q": {"low": 0.1, "high": 2.0}}, tmp_path / "r", "sys")
    assert (tmp_path / "r").read_text() == "q Q0 high 1 2.0 sys\nq Q0 low 2 0.1 sys\n"
    import ir_measures

    assert [tuple(hit)[:3] for hit in ir_measures.read_trec_run(str(tmp_path / "r"))] == [
        ("q", "high", 2.0),
        ("q", "low", 0.1),
    ]


@pytest.mark.parametrize("bad", ["two words", "", "a\tb", "x\n"])
def test_an_id_that_the_trec_format_does_not_allow_raises(tmp_path, bad):
    with pytest.raises(ValueError, match="white space"):
        write_run({"q": {bad: 1.0}}, tmp_path / "r", "t")


@pytest.mark.parametrize("line", ["q Q0 d 1 0.5", "q Q0 d 1 half t", "q Q0 a 1 0.5 t"])
def test_a_malformed_run_line_raises_with_its_number(tmp_path, line):
    (tmp_path / "r").write_text("q Q0 a 1 0.9 t\n" + line + "\n")
    with pytest.raises(ValueError, match="line 2"):
        read_run(tmp_path / "r")


BAD_LINES = {
    "q Q0 d 1 nan t": "the score must be a finite number, got 'nan'",
    "q Q0 d 1 inf t": "the score must be a finite number",
    "q Q0 d 1 1e400 t": "the score must be a finite number",
    "q Q0 d 1 1_0 t": "the score must be a finite number",
    "q Q0 d 1 ٣ t": "the score must be a finite number",
    f"q Q0 {'d' * 513} 1 0.5 t": "the document id must have at most 512 bytes",
    f"{'é' * 257} Q0 d 1 0.5 t": "the query id must have at most 512 bytes",
    "q Q0 d\0 1 0.5 t": "the document id must have no white space and no control characters",
    "\ufeffq Q0 d 1 0.5 t": "the query id begins with a byte order mark",
    "q Q0 d\u00a0e 1 0.5 t": "expected 6 fields",
}


@pytest.mark.parametrize(("line", "reason"), BAD_LINES.items())
def test_scores_and_ids_of_a_run_have_one_rule(tmp_path, line, reason):
    (tmp_path / "r").write_text(f"q Q0 a 1 0.9 t\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=rf"r, line 2: {reason}"):
        read_run(tmp_path / "r")


def test_a_run_that_is_not_utf8_is_an_error_with_its_line_and_a_byte_order_mark_is_skipped(tmp_path):
    (tmp_path / "r").write_bytes(b"\xef\xbb\xbfq Q0 a 1 0.9 t\r\n")
    assert read_run(tmp_path / "r") == {"q": {"a": 0.9}}
    (tmp_path / "r").write_bytes(b"q Q0 a 1 0.9 t\nq Q0 \xff 1 0.9 t\n")
    with pytest.raises(ValueError, match=r"r, line 2: not UTF-8 \(byte 5"):
        read_run(tmp_path / "r")


def test_empty_lines_of_a_run_file_are_skipped_and_counted(tmp_path):
    (tmp_path / "r").write_text("\nq Q0 a 1 0.9 t\n \nq Q0 b 2 0.5 t\n")
    assert read_run(tmp_path / "r") == {"q": {"a": 0.9, "b": 0.5}}
    (tmp_path / "r").write_text("\nq Q0 a 1 0.9 t\n\nq Q0 b 2 0.5 t more\n")
    with pytest.raises(ValueError, match="line 4: expected 6 fields"):
        read_run(tmp_path / "r")


def test_ties_of_a_run_are_written_in_its_order(tmp_path):
    write_run({"q": {"b": 1.0, "a": 1.0, "c": 2.0}}, tmp_path / "r", "t")
    assert [line.split()[2:4] for line in (tmp_path / "r").read_text().splitlines()] == [
        ["c", "1"],
        ["b", "2"],
        ["a", "3"],
    ]
