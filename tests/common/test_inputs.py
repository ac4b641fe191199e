"""Files that are read once, as commands read them: regular, /dev/stdin, -, <(command); and what cannot be read."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
from safetensors.numpy import save

from refimpl.check.targets.files import FileTarget
from refimpl.cli.main import main
from refimpl.common.inputs import is_piped, opened, read_bytes
from refimpl.compare.traces import read as read_trace
from refimpl.explain.collection import read as read_collection

ROOT = Path(__file__).parents[2]
ARRAY = np.arange(6, dtype=np.float32).reshape(3, 2)


def npy():
    stream = io.BytesIO()
    np.save(stream, ARRAY)
    return stream.getvalue()


RUN = {"schema": "refimpl.run/1", "dataset": {"name": "toy"}, "systems": {"dense": {"metrics": {"nDCG@10": 0.5}}}}
TRACE = save({"no_stage": ARRAY})
COMMANDS = {  # every option and argument that reads a file once: its content, and a part of the output
    "embed": (["embed", "{file}", "--out", "{tmp}/v.npy"], b"one\ntwo\n", "2 vectors of 384"),
    "trace --compare": (["trace", "x", "--compare", "{file}"], TRACE, "expected names such as"),
    "explain --docs": (
        ["explain", "x", "--docs", "{file}", "--most", "1", "--quiet", "--out", "{tmp}/page.html"],
        b"\n",
        "has no document with text",
    ),
    "check --vectors": (["check", "--vectors", "{file}", "--suite", "encoder"], npy(), "one per input in order, got 3"),
    "serve --api-key-file": (["serve", "--api-key-file", "{file}", "--port", "0"], b"two\nlines", "whitespace"),
    "report": (["report", "{file}", "--out", "{tmp}/r.md"], json.dumps(RUN).encode(), "r.md"),
}


def run(arguments, stdin=b"", before="", after=""):
    """Run by bash, so that <(command) is the shell's own."""
    quoted = " ".join(a if a.startswith("<(") else f"'{a}'" for a in arguments)
    line = f"{before} '{sys.executable}' -m refimpl {quoted} {after}"
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        ["bash", "-c", line], input=stdin, capture_output=True, check=False, cwd=ROOT, env=environment
    )


@pytest.mark.parametrize("way", ["-", "/dev/stdin of a file", "<(cat)"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_reads_its_file_in_every_way(tmp_path, name, way):
    arguments, content, output = COMMANDS[name]
    file = tmp_path / ("content.npy" if name == "check --vectors" else "content")
    file.write_bytes(content)
    path = {"-": "-", "/dev/stdin of a file": "/dev/stdin", "<(cat)": f"<(cat '{file}')"}[way]
    done = run(
        [a.replace("{file}", path).replace("{tmp}", str(tmp_path)) for a in arguments],
        stdin=content,
        after=f"< '{file}'" if way == "/dev/stdin of a file" else "",
    )
    printed = " ".join((done.stdout + done.stderr).decode().split())
    assert output in printed
    assert "Traceback" not in printed


def failure(arguments, monkeypatch, capsys):
    """Run a command that fails, in this process, and return its stderr."""
    monkeypatch.setattr(sys, "argv", ["refimpl", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (1, 2)
    return capsys.readouterr().err


UNREADABLE = [("/no/such/file", "No such file or directory"), ("{tmp}", "Is a directory")]


@pytest.mark.parametrize(("path", "reason"), UNREADABLE, ids=["missing", "directory"])
@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "explain --docs"])
def test_an_unreadable_file_is_one_sentence(tmp_path, name, path, reason, monkeypatch, capsys):
    path = path.replace("{tmp}", str(tmp_path))
    arguments = [a.replace("{file}", path).replace("{tmp}", str(tmp_path)) for a in COMMANDS[name][0]]
    message = failure(arguments, monkeypatch, capsys)
    assert f"expected a file that can be read, a pipe, or - for standard input, got {path} ({reason})" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_random_bytes_are_one_sentence(tmp_path, name, monkeypatch, capsys):
    (tmp_path / "random").write_bytes(np.random.default_rng(7).bytes(4000))
    arguments = [a.replace("{file}", f"{tmp_path}/random").replace("{tmp}", str(tmp_path)) for a in COMMANDS[name][0]]
    message = failure(arguments, monkeypatch, capsys)
    assert "random" in message
    assert message.count("\n") == 1


def test_every_parameter_that_may_be_a_file_is_in_the_table_or_listed_as_something_else():
    """A new option with a path must be added to COMMANDS, or here as a folder or as a file that is written."""
    from refimpl.cli import check, encoder, explain, models, report, retrieval, serve, vectors  # noqa: F401
    from refimpl.cli.app import app

    folders = {"model", "out", "directory", "shards"}
    written = {"save", "html", "json_file", "junit_xml", "emit_inputs", "results", "page", "dask_report", "into"}
    groups = [app, *(group.typer_instance for group in app.registered_groups)]
    callbacks = [command.callback for group in groups for command in group.registered_commands]
    files = {
        f"{callback.__name__} {name}"
        for callback in callbacks
        for name, hint in get_type_hints(callback).items()
        if Path in (hint, *get_args(hint)) and name not in folders | written
    }
    assert len(callbacks) > 10
    # two of COMMANDS accept more than paths
    assert files == {"trace compare", "check vectors", "report result", "serve api_key_file"}


@pytest.mark.parametrize(
    ("content", "ids"),
    [(b"one\n\ntwo\n", ["line 1", "line 3"]), (b' {"_id": "a", "text": "one"}\n{"text": "two"}', ["a", "line 2"])],
)
def test_documents_from_a_pipe_are_lines_or_json_lines_by_their_first_letter(content, ids):
    with piped(content) as file:
        assert read_collection(file).ids == ids


@pytest.mark.parametrize("content", [npy(), save({"vectors": ARRAY}), b"[0, 1]\n[2, 3]\n[4, 5]\n"])
def test_vectors_from_a_pipe_are_known_by_their_first_bytes(content):
    with piped(content) as file:
        target = FileTarget(Path(file))
    np.testing.assert_array_equal(np.array(target.run("embed", ["x", "y", "z"])), ARRAY)


def test_a_trace_comes_through_a_pipe():
    with piped(TRACE) as file:
        np.testing.assert_array_equal(read_trace(Path(file))["no_stage"], ARRAY)


class piped:
    """A path such as /dev/fd/63, from which the content can be read once."""

    def __init__(self, content):
        self.content = content

    def __enter__(self):
        self.end, writing = os.pipe()
        os.write(writing, self.content)
        os.close(writing)
        return f"/dev/fd/{self.end}"

    def __exit__(self, *_):
        os.close(self.end)


def test_a_file_without_permission_is_named(monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)  # root may read anything
    with pytest.raises(PermissionError, match=r"got /etc/x \(Permission denied\)"):
        read_bytes("/etc/x")


def test_an_error_of_the_block_is_raised_unchanged(tmp_path):
    (tmp_path / "a").write_text("x")
    with pytest.raises(OSError, match=r"^mine$"), opened(tmp_path / "a"):
        raise OSError("mine")


def test_regular_files_are_not_piped(tmp_path):
    (tmp_path / "a").write_text("x")
    assert [is_piped(path) for path in (tmp_path / "a", tmp_path, tmp_path / "none")] == [False, False, False]
    assert is_piped("-")
    assert is_piped("/dev/stdin")


def test_a_report_of_a_pipe_requires_out():
    done = run(["report", "-"], json.dumps(RUN).encode())
    assert done.returncode == 2
    assert "give --out FILE.html" in " ".join(done.stderr.decode().split())


def test_vectors_do_not_replace_a_device(tmp_path):
    os.mkfifo(tmp_path / "v.npy")
    done = run(["embed", "-", "--out", str(tmp_path / "v.npy")], b"one\n")
    assert done.returncode == 1
    assert "expected a regular file to write, got" in done.stderr.decode()
    assert (tmp_path / "v.npy").is_fifo()
