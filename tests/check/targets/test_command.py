"""Commands that answer, hang, crash, or write something else: each gives answers, or a message with the cause."""

import fcntl
import shlex
import signal
import subprocess
import sys
import time
import tracemalloc
from functools import partial
from pathlib import Path

import pytest

from refimpl.check.result import Status
from refimpl.check.runner import check
from refimpl.check.suites.base import Settings
from refimpl.check.targets.base import AnswerError, TargetError, TargetTimeoutError
from refimpl.check.targets.command import CommandTarget
from refimpl.compare.tolerance import named

ROOT = Path(__file__).parents[3]


def python(code: str, **options) -> CommandTarget:
    return CommandTarget(f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}", **options)


ECHO = "import sys\nfor line in sys.stdin: print(line, end='')"


def test_answers_come_back_in_order_whatever_the_letters():
    texts = ["", "naïve", "火星 🚀", 'a "quoted"\nline', "\u2028"]
    assert python(ECHO).run("embed", texts) == texts


def test_the_task_is_in_the_environment():
    code = "import os, json; input(); print(json.dumps(os.environ['REFIMPL_TASK']))"
    assert python(code).run("bm25", [{}]) == ["bm25"]


def test_much_goes_through_both_pipes_at_once():
    texts = ["x" * 2000] * 500
    assert python(ECHO).run("embed", texts) == texts


def test_a_command_that_reads_nothing_may_still_answer():
    assert python("print('\\n'.join(['1'] * 500))").run("embed", ["x" * 2000] * 500) == [1] * 500


def test_a_crash_is_reported_with_status_and_standard_error():
    with pytest.raises(TargetError, match=r"ended with status 3; its standard error: no model here"):
        python("import sys; print('no model here', file=sys.stderr); sys.exit(3)").run("embed", ["a"])


def test_of_a_long_standard_error_the_first_and_the_last_part_are_shown():
    code = "import sys; print('first' + 'x' * 5000 + 'last', file=sys.stderr); sys.exit(3)"
    with pytest.raises(TargetError) as raised:
        python(code).run("embed", ["a"])
    assert "its standard error begins: firstxxx" in str(raised.value)
    assert str(raised.value).endswith("xxxlast")
    assert len(str(raised.value)) < 1000


def test_a_signal_is_named():
    with pytest.raises(TargetError, match="was ended by SIGKILL; it wrote nothing on standard error"):
        python("import os; os.kill(os.getpid(), 9)").run("embed", ["a"])


def test_a_hanging_command_and_its_children_are_killed(tmp_path):
    mark = tmp_path / "alive"
    child = f"import time\nwhile True: open({str(mark)!r}, 'w').close(); time.sleep(0.05)"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    with pytest.raises(TargetError, match=r"did not end within 1 s and was killed"):
        python(code, timeout_s=1.0).run("embed", ["a"])
    mark.unlink(missing_ok=True)
    time.sleep(0.3)
    assert not mark.exists()


def test_endless_output_is_stopped():
    with pytest.raises(TargetError, match=r"wrote over 100000 bytes and was killed"):
        python("while True: print('1' * 1000, end='')", max_bytes=100_000, timeout_s=20.0).run("embed", ["a"])


def test_garbage_is_shown_with_its_line():
    with pytest.raises(AnswerError, match=r"line 2 of the command's output: expected JSON, got 'Loading model\.\.\.'"):
        python("print(1); print('Loading model...')").run("embed", ["a", "b"])


def test_too_few_answers_are_counted_and_standard_error_shown():
    code = "import sys; print(1); print('skipped one', file=sys.stderr)"
    with pytest.raises(AnswerError, match=r"expected 2 answers from the command, .*, got 1;.*skipped one"):
        python(code).run("embed", ["a", "b"])


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "got an empty one"),
        ('a "b', "by the shell's rules"),
        ("/no/such/program", "cannot be started: No such file"),
    ],
)
def test_invalid_commands(command, message):
    with pytest.raises(TargetError, match=message):
        CommandTarget(command).run("embed", ["a"])


HELD = """
import fcntl, sys, time
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
file.write("locked"); file.flush()
time.sleep(600)
"""
DESCENDANTS = {
    "a child": "Popen([sys.executable, '-c', held, path])",
    "a child in a session of its own": "Popen([sys.executable, '-c', held, path], start_new_session=True)",
    "a grandchild whose parent has ended": (
        "run([sys.executable, '-c', 'import subprocess as s, sys; s.Popen(sys.argv[1:], start_new_session=True)', "
        "sys.executable, '-c', held, path])"
    ),
}


def command_with(descendant: str, path, then: str) -> str:
    code = (
        f"import sys, time; from subprocess import DEVNULL, Popen, run; held, path = {HELD!r}, {str(path)!r}\n"
        f"{DESCENDANTS[descendant]}\nwhile not open(path).read(): time.sleep(0.01)\n{then}"
    )
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"


def wait_until_unlocked(path) -> None:
    deadline = time.monotonic() + 60
    with path.open() as file:
        while True:
            try:
                return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                assert time.monotonic() < deadline, "a descendant of the command is still running"
                time.sleep(0.02)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a lock").write_bytes(b"")
    return tmp_path / "a lock"


@pytest.mark.parametrize("descendant", DESCENDANTS)
def test_descendants_end_with_a_command_that_answers(path, descendant):
    assert CommandTarget(command_with(descendant, path, "print(1)")).run("embed", ["a"]) == [1]
    wait_until_unlocked(path)


@pytest.mark.parametrize("descendant", DESCENDANTS)
def test_descendants_end_with_a_command_that_hangs(path, descendant):
    with pytest.raises(TargetTimeoutError, match="did not end within 3 s"):
        CommandTarget(command_with(descendant, path, "time.sleep(600)"), timeout_s=3.0).run("embed", ["a"])
    wait_until_unlocked(path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_descendants_end_with_a_check_that_gets_a_signal(path, number):
    command = command_with("a grandchild whose parent has ended", path, "time.sleep(600)")
    arguments = [sys.executable, "-P", "-m", "refimpl", "check", "--command", command]
    check = subprocess.Popen(arguments, cwd=ROOT, preexec_fn=partial(signal.signal, number, signal.SIG_DFL))
    deadline = time.monotonic() + 120
    while not path.read_bytes():
        assert time.monotonic() < deadline
        assert check.poll() is None
        time.sleep(0.05)
    check.send_signal(number)
    assert check.wait(60) == 128 + number
    wait_until_unlocked(path)


def test_a_hanging_command_is_started_once(tmp_path):
    starts = tmp_path / "starts"
    target = python(f"open({str(starts)!r}, 'a').write('x'); import time; time.sleep(600)", timeout_s=1.0)
    result = check(target, ["encoder", "tokenizer"], Settings(named("float32"), diagnose=False))
    assert starts.read_text() == "x"
    messages = [case.message for case in result if case.status is Status.error]
    assert sum(message.startswith("the command did not end within 1 s") for message in messages) > 50
    assert any(message.startswith("not run, because an earlier case timed out: the command") for message in messages)
    assert result.count(Status.passed) == 0


def test_escapes_of_a_terminal_are_shown_not_executed():
    code = "import sys; sys.stderr.write('\\x1b]0;owned\\x07 \\x9b2J \\u202e\\x00\\r red'); sys.exit(3)"
    with pytest.raises(TargetError) as raised:
        python(code).run("embed", ["a"])
    assert str(raised.value).endswith(r"\x1b]0;owned\x07 \x9b2J \u202e\x00\r red")


def test_a_number_out_of_range_is_an_answer():
    (answer,) = python("input(); print('[1' + '0' * 5000 + ', -1' + '0' * 350 + ', 7]')").run("embed", ["a"])
    assert answer == [float("inf"), float("-inf"), 7]


LARGE = {
    "empty lists in one line": "print('[' + '[],' * 5_000_000 + '[]]')",
    "empty lists, one per line": "sys.stdout.write('[]\\n' * 5_000_000)",
    "objects": "print('[' + '{},' * 5_000_000 + '{}]')",
    "letters of four bytes": "print('[\"' + '😀' * 4_000_000 + '\"]')",
}


@pytest.mark.parametrize("kind", LARGE)
def test_memory_does_not_grow_with_the_number_of_values(kind):
    target = python(f"import sys; sys.stdout.reconfigure(encoding='utf-8'); {LARGE[kind]}", max_memory=32 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(AnswerError, match=r"of memory, got|one per input in order, got more"):
            target.run("embed", ["a"])
        assert tracemalloc.get_traced_memory()[1] < 4 * 16e6 + (32 << 20)
    finally:
        tracemalloc.stop()


COUNTED = """
import json, os, sys
open(sys.argv[1], "a").write("started\\n")
for line in sys.stdin:
    print(json.dumps([os.getpid(), os.environ["REFIMPL_TASK"]]), flush=True)
"""


def counted(tmp_path, code=COUNTED) -> tuple[CommandTarget, Path]:
    starts = tmp_path / "starts"
    arguments = [sys.executable, "-c", code, str(starts)]
    return CommandTarget(" ".join(map(shlex.quote, arguments))), starts


def test_a_command_is_started_once_per_task_and_ended_by_close(tmp_path):
    target, starts = counted(tmp_path)
    first, second = target.run("embed", ["a", "b"])
    (third,) = target.run("embed", ["c"])
    (other,) = target.run("bm25", [{}])
    assert first == second == third
    assert first[1] == "embed"
    assert other[0] != first[0]
    assert starts.read_text() == "started\n" * 2
    target.close()
    for process, _ in (first, other):
        assert not Path(f"/proc/{process}").exists()


def test_a_command_that_answers_at_the_end_of_its_input_is_started_for_each_list(tmp_path):
    target, starts = counted(tmp_path, COUNTED.replace("in sys.stdin:", "in sys.stdin.readlines():"))
    assert [len(target.run("embed", ["a"] * n)) for n in (2, 3)] == [2, 3]
    assert starts.read_text() == "started\n" * 2


def test_a_command_that_ends_after_its_answers_is_started_again(tmp_path):
    code = COUNTED.replace("for line in sys.stdin:", "for line in [sys.stdin.readline()]:")
    target, starts = counted(tmp_path, code)
    assert target.run("embed", ["a"])[0] != target.run("embed", ["a"])[0]
    assert starts.read_text() == "started\n" * 2


def test_answers_after_the_last_one_are_not_those_of_the_next_call(tmp_path):
    more = "print(1, flush=True); import time; time.sleep(0.2); print(2, flush=True)"
    target, _ = counted(tmp_path, f"import sys\nfor line in sys.stdin: {more}")
    assert target.run("embed", ["a"]) == [1]
    time.sleep(1.0)
    with pytest.raises(AnswerError, match="of the call before, got more"):
        target.run("embed", ["b"])
    assert target.run("embed", ["c"]) == [1]  # of a new process


def test_a_working_command_is_not_taken_for_one_that_waits(tmp_path):
    work = "import time; end = time.process_time() + 2.5\n    while time.process_time() < end: pass"
    target, starts = counted(tmp_path, COUNTED.replace("    print", f"    {work}\n    print"))
    assert target.run("embed", ["a"]) == target.run("embed", ["a"])
    assert starts.read_text() == "started\n"
    target.close()
