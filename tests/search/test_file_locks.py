"""refimpl.search.file_locks: writable folders, one run per folder, processes that have a file open."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from refimpl.search.file_locks import InUseError, exclusive_run, name_process, pids_with_open, writable_folder

HOLD = "import sys, time; f = open(sys.argv[1]); print('open', flush=True); time.sleep(60)"


def test_a_folder_is_created_with_its_parents(tmp_path):
    assert writable_folder(tmp_path / "a" / "b", "try another").is_dir()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_place_of_a_folder_is_named_in_the_message(tmp_path, below):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match=r"expected a writable folder, got .*: try another"):
        writable_folder(tmp_path / "file" / below, "try another")


def test_a_folder_without_write_permission_is_named_in_the_message(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(OSError, match=r"\(no permission to write\): try another"):
        writable_folder(tmp_path, "try another")


def test_a_second_run_in_a_folder_fails_and_the_first_continues(tmp_path):
    with exclusive_run(tmp_path / "out"):
        with pytest.raises(InUseError, match=r"out to be free, but .* runs in it: wait until it ends, or give another"):
            exclusive_run(tmp_path / "out").__enter__()
        assert (tmp_path / "out").is_dir()
    with exclusive_run(tmp_path / "out"):
        pass


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system has no /proc")
def test_the_process_that_has_a_file_open_is_named_in_the_message(tmp_path):
    file = tmp_path / "LOCK"
    file.write_text("")
    assert name_process(file) == "another process"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"open\n"
        assert pids_with_open(file) == [process.pid]
        assert name_process(file) == f"process {process.pid}"
        with file.open():
            assert pids_with_open(file) == sorted([process.pid, os.getpid()])
            assert name_process(file) == f"process {process.pid}"
    finally:
        process.kill()
        process.communicate()
