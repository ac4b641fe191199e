"""Commands that answer, hang, crash, chatter and lie: each gives its answers, or one sentence that says what it did."""

import shlex
import sys
import time

import pytest

from refimpl.oracle.subjects.base import AnswerError, SubjectError
from refimpl.oracle.subjects.command import CommandSubject


def python(code: str, **options) -> CommandSubject:
    return CommandSubject(f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}", **options)


ECHO = "import sys\nfor line in sys.stdin: print(line, end='')"


def test_answers_come_back_in_order_whatever_the_letters():
    texts = ["", "naïve", "火星 🚀", 'a "quoted"\nline', "\u2028"]
    assert python(ECHO).ask("embed", texts) == texts


def test_the_task_is_told():
    code = "import os, json; input(); print(json.dumps(os.environ['REFIMPL_TASK']))"
    assert python(code).ask("bm25", [{}]) == ["bm25"]


def test_much_goes_through_both_pipes_at_once():
    texts = ["x" * 2000] * 500
    assert python(ECHO).ask("embed", texts) == texts


def test_a_command_that_reads_nothing_may_still_answer():
    assert python("print('\\n'.join(['1'] * 500))").ask("embed", ["x" * 2000] * 500) == [1] * 500


def test_a_crash_is_told_with_status_and_standard_error():
    with pytest.raises(SubjectError, match=r"ended with status 3; its standard error ends: no model here"):
        python("import sys; print('no model here', file=sys.stderr); sys.exit(3)").ask("embed", ["a"])


def test_a_signal_is_named():
    with pytest.raises(SubjectError, match="was ended by SIGKILL; it wrote nothing on standard error"):
        python("import os; os.kill(os.getpid(), 9)").ask("embed", ["a"])


def test_a_hanging_command_and_its_children_are_killed(tmp_path):
    mark = tmp_path / "alive"
    child = f"import time\nwhile True: open({str(mark)!r}, 'w').close(); time.sleep(0.05)"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    started = time.monotonic()
    with pytest.raises(SubjectError, match=r"did not end within 1 s and was killed"):
        python(code, timeout_s=1.0).ask("embed", ["a"])
    assert time.monotonic() - started < 10
    mark.unlink(missing_ok=True)
    time.sleep(0.3)
    assert not mark.exists()


def test_endless_output_is_stopped():
    with pytest.raises(SubjectError, match=r"wrote over 100000 bytes and was killed"):
        python("while True: print('1' * 1000)", max_bytes=100_000, timeout_s=20.0).ask("embed", ["a"])


def test_garbage_is_shown_with_its_line():
    with pytest.raises(AnswerError, match=r"line 2 of the command's output is no JSON: 'Loading model\.\.\.'"):
        python("print(1); print('Loading model...')").ask("embed", ["a", "b"])


def test_too_few_answers_are_counted_and_standard_error_shown():
    code = "import sys; print(1); print('skipped one', file=sys.stderr)"
    with pytest.raises(AnswerError, match=r"gave 1 answers for 2 inputs.*skipped one"):
        python(code).ask("embed", ["a", "b"])


@pytest.mark.parametrize(
    ("command", "said"),
    [("", "is empty"), ('a "b', "cannot be read"), ("/no/such/program", "cannot be started: No such file")],
)
def test_a_command_that_is_none(command, said):
    with pytest.raises(SubjectError, match=said):
        CommandSubject(command).ask("embed", ["a"])
