"""Atomic writes: the old file or the new one, whole, whatever happens in between."""

import errno
import os
import secrets
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from refimpl.common.atomic import folder_atomically, open_atomically, write_atomically

ROOT = Path(__file__).parents[2]
KILLED = """
import os, signal, sys
from pathlib import Path
from refimpl.common.atomic import open_atomically
with open_atomically(Path(sys.argv[1])) as stream:
    stream.write(b"half of the new")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file.json").write_bytes(b"old")
    return tmp_path / "file.json"


@pytest.mark.parametrize(("content", "stored"), [(b"a\r\n\xff", b"a\r\n\xff"), ("ü\r\n\n", "ü\r\n\n".encode())])
def test_content_is_written_byte_for_byte_and_nothing_else_is_left(
    file: Path, content: bytes | str, stored: bytes
) -> None:
    write_atomically(file, content)
    assert file.read_bytes() == stored
    assert os.listdir(file.parent) == ["file.json"]


def test_a_killed_writer_leaves_the_old_file(file: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(file)], env={"PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert file.read_bytes() == b"old"
    write_atomically(file, b"new")
    assert file.read_bytes() == b"new"


def test_a_block_that_raises_leaves_the_old_file_and_no_other(file: Path) -> None:
    def interrupted() -> None:
        with open_atomically(file) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert file.read_bytes() == b"old"
    assert os.listdir(file.parent) == ["file.json"]


def test_the_file_is_flushed_before_the_rename_and_the_directory_after_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    replace, fsync = Path.replace, os.fsync

    def recorded_fsync(descriptor: int) -> None:
        directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        steps.append("flush directory" if directory else f"flush {os.fstat(descriptor).st_size} bytes")
        fsync(descriptor)

    def recorded_replace(self: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    write_atomically(file, b"12345")
    assert steps == ["flush 5 bytes", "rename", "flush directory"]


@pytest.mark.parametrize(
    ("error", "raised"), [(errno.EINVAL, False), (errno.EACCES, False), (errno.EIO, True), (errno.ENOSPC, True)]
)
def test_a_directory_that_cannot_be_flushed_is_an_error_unless_the_system_never_can(
    file: Path, monkeypatch: pytest.MonkeyPatch, error: int, raised: bool
) -> None:
    def refused(path: object, flags: int) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("refimpl.common.atomic.os.open", refused)
    if raised:
        with pytest.raises(OSError, match=os.strerror(error)):
            write_atomically(file, b"new")
    else:
        write_atomically(file, b"new")
    assert file.read_bytes() == b"new"


def test_a_link_planted_under_the_temporary_name_is_not_followed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = file.with_name("victim")
    victim.write_bytes(b"precious")
    monkeypatch.setattr(secrets, "token_hex", lambda size: "guessed")
    file.with_name(".file.json.guessed.partial").symlink_to(victim)
    with pytest.raises(FileExistsError):
        write_atomically(file, b"new")
    assert victim.read_bytes() == b"precious"
    assert file.read_bytes() == b"old"


def test_temporary_names_differ(file: Path) -> None:
    with open_atomically(file) as first, open_atomically(file) as second:
        assert Path(first.name).name != Path(second.name).name
        assert Path(first.name).parent == Path(second.name).parent == file.parent


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_the_permissions_of_the_old_file_are_kept(file: Path, mode: int) -> None:
    file.chmod(mode)
    write_atomically(file, b"new")
    assert stat.S_IMODE(file.stat().st_mode) == mode


def test_a_new_file_has_the_permissions_of_any_new_file_and_the_umask_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain").write_bytes(b"")
    monkeypatch.delattr(os, "umask")  # it would change for every thread
    write_atomically(tmp_path / "new", b"")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_longest_name_that_a_file_system_has_is_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("火" * 85), b"new")
    assert (tmp_path / ("火" * 85)).read_bytes() == b"new"


def test_a_path_that_is_no_file_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=r"expected the path of a file, got the folder .*: give a file name"):
        write_atomically(tmp_path, b"")
    with pytest.raises(FileNotFoundError, match=r"expected an existing folder for a\.json, got .*none: create it"):
        write_atomically(tmp_path / "none" / "a.json", b"")


LIMITED = """
import resource, sys
from pathlib import Path
from refimpl.common.atomic import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
write_atomically(Path(sys.argv[1]), bytes(100_000))
"""


def test_a_file_beyond_the_limit_of_its_size_is_one_sentence_with_the_file_and_the_old_one_stays(file: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(file)]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        f"OSError: {file} cannot be written (File too large), and its old content is unchanged: "
        "raise the limit of a file's size (ulimit -f), or give another path"
    )
    assert file.read_bytes() == b"old"
    assert os.listdir(file.parent) == ["file.json"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "free some disk space"), (errno.EDQUOT, "below the quota"), (errno.EROFS, "the disk is read-only")],
)
def test_a_full_disk_at_any_step_is_one_sentence_with_the_file_and_the_old_one_stays(
    file: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int, remedy: str
) -> None:
    def full(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr({"fsync": os, "replace": Path}[step], step, full)
    with pytest.raises(OSError, match=remedy) as raised:
        write_atomically(file, bytes(100_000))
    assert raised.value.errno == number
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)
    monkeypatch.undo()
    assert file.read_bytes() == b"old"
    assert os.listdir(file.parent) == ["file.json"]


def test_an_error_of_the_caller_keeps_its_message(file: Path) -> None:
    def failing() -> None:
        with open_atomically(file):
            raise OSError(errno.EIO, "reading the input failed")

    with pytest.raises(OSError, match=r"^\[Errno 5\] reading the input failed$"):
        failing()


def test_leftovers_of_killed_processes_are_removed_and_those_in_use_are_not(file: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(file)], env={"PYTHONPATH": str(ROOT)}, check=False)
    (leftover,) = file.parent.glob(".*.partial")
    victim = file.with_name("victim")
    victim.write_bytes(b"precious")
    link = file.with_name(f".file.json.{'0' * 16}.partial")
    link.symlink_to(victim)
    with open_atomically(file.with_name("other")) as in_use:  # its own sweep removes the leftover
        assert not leftover.exists()
        write_atomically(file, b"new")
        assert Path(in_use.name).exists()
    assert sorted(os.listdir(file.parent)) == sorted(["file.json", "other", "victim", link.name])
    assert victim.read_bytes() == b"precious"


def test_a_name_that_only_resembles_a_leftover_is_kept(file: Path) -> None:
    kept = [".file.json.partial", "file.json.0123456789abcdef.partial", ".file.json.0123456789ABCDEF.partial"]
    for name in kept:
        file.with_name(name).write_bytes(b"")
    write_atomically(file, b"new")
    assert sorted(os.listdir(file.parent)) == sorted(["file.json", *kept])


def test_a_link_at_the_path_is_replaced_not_followed(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    write_atomically(link, b"new")
    assert file.read_bytes() == b"old"
    assert not link.is_symlink()


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\nfrom refimpl.common.atomic import write_atomically as w\nw(Path('/dev/stdout'), 'a')"
    )
    out = tmp_path / "out"
    with out.open("wb") as stream:  # /dev/stdout is then a regular file
        subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, stdout=stream, check=True)
    assert out.read_bytes() == b"a"
    assert Path("/dev/stdout").is_symlink()
    with pytest.raises(ValueError, match="expected a regular file to write, got /dev/stdout"):
        open_atomically(Path("/dev/stdout")).__enter__()


def test_a_folder_appears_whole_and_an_interrupted_one_not_at_all(tmp_path: Path) -> None:
    def interrupted() -> None:
        with folder_atomically(tmp_path / "folder") as folder:
            (folder / "file").write_bytes(b"half")
            write_atomically(tmp_path / "other", b"")  # which sweeps
            assert (folder / "file").exists()
            assert not (tmp_path / "folder").exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == ["other"]
    with folder_atomically(tmp_path / "folder") as folder:
        (folder / "file").write_bytes(b"whole")
    assert (tmp_path / "folder" / "file").read_bytes() == b"whole"
    assert sorted(os.listdir(tmp_path)) == ["folder", "other"]
