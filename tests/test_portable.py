"""Every part of refimpl without the POSIX functions and modules that Windows and macOS lack."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from refimpl.check.targets.command import split
from refimpl.common import atomic, resources, stamp
from refimpl.search import milvus_uri

HERE = Path(__file__).parent
SCRIPT = HERE / "helpers" / "elsewhere.py"
KERNELS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # of the user's, by which BLAS rounds
TEXTS = ["naïve café, größer", "火星是红色的 🚀", "the red planet"]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory, minilm_folder) -> Path:
    """Output folder of helpers/elsewhere.py: embed, trace, BM25, index, check, stamp and commands."""
    folder = tmp_path_factory.mktemp("elsewhere")
    options = ["-X", "utf8=0", "-X", "warn_default_encoding"]
    environment = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "OPENBLAS_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    paths = ":".join([str(HERE.parent), str(HERE / "helpers")])
    environment |= {"PYTHONPATH": paths, "HOME": str(folder), "REFIMPL_CACHE": str(folder / "cache")}
    environment = {name: os.environ[name] for name in KERNELS if name in os.environ} | environment
    (folder / "texts.txt").write_bytes("\r\n".join(TEXTS).encode())
    done = subprocess.run(
        [sys.executable, *options, str(SCRIPT), str(folder), str(minilm_folder)],
        env=environment,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-3000:]
    return folder


def test_every_module_and_command_works_without_posix(elsewhere):
    done = json.loads((elsewhere / "done.json").read_text(encoding="utf-8"))
    assert done["encoding"].upper() in ("ANSI_X3.4-1968", "ASCII", "US-ASCII")
    assert done["modules"] > 200
    assert done["machine"]["load_1min"] is None
    assert done["machine"]["cores_usable"] >= 1
    assert done["exits"] == dict.fromkeys(done["exits"], 0)
    assert done["killed"] == "the command did not end within 0.5 s and was killed"


def test_vectors_computed_without_posix_are_the_same(elsewhere, minilm32):
    np.testing.assert_array_equal(np.load(elsewhere / "vectors.npy"), minilm32.encode_documents(TEXTS))


def test_output_in_a_file_is_utf8_whatever_the_locale(elsewhere):
    shown = (elsewhere / "trace.txt").read_bytes()
    assert "火".encode() in shown


def test_golden_files_exported_elsewhere_have_the_same_line_ends(elsewhere):
    exported = [file for file in (elsewhere / "golden").rglob("*") if file.suffix in (".json", ".md", ".csv")]
    assert exported
    assert not [file for file in exported if b"\r\n" in file.read_bytes() and file.suffix != ".csv"]


def test_memory_and_load_are_none_where_the_system_has_none(monkeypatch):
    for name in ("sysconf", "getloadavg", "sched_getaffinity"):
        monkeypatch.delattr(f"os.{name}")
    monkeypatch.setitem(sys.modules, "psutil", None)
    machine = json.loads(json.dumps(stamp.machine()))
    assert machine["memory_bytes"] is None
    assert machine["load_1min"] is None
    assert machine["cores_usable"] == machine["cores"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LOCALAPPDATA": "/users/a/AppData/Local"}, "/users/a/AppData/Local/refimpl"),
        ({"XDG_CACHE_HOME": "/x", "LOCALAPPDATA": "/users/a"}, "/x/refimpl"),
        ({"REFIMPL_CACHE": "/chosen", "LOCALAPPDATA": "/users/a"}, "/chosen"),
        ({"HOME": "/users/b"}, "/users/b/AppData/Local/refimpl"),
    ],
)
def test_the_cache_is_in_windows_cache_folder(variables, expected, monkeypatch):
    class Windows:
        name = "nt"
        environ = variables

    for name in ("REFIMPL_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(resources, "os", Windows)
    assert resources.cache_dir() == Path(expected)


@pytest.mark.parametrize(
    "name", ["dense:small", 'a<b>"c"|d?*', "a/b\\c", "con", "NUL.txt", "com1", "end.", "blank ", ""]
)
def test_a_name_that_windows_forbids_becomes_a_valid_one(name):
    valid = resources.file_name(name)
    assert valid
    assert not set('<>:"/\\|?*') & set(valid)
    assert valid.upper().partition(".")[0] not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT1"}
    assert valid[-1] not in ". "
    assert valid != resources.file_name(name + "x")


def test_a_valid_name_is_unchanged_and_a_long_one_fits():
    assert resources.file_name("hybrid-rrf+rerank") == "hybrid-rrf+rerank"
    assert len(f"{resources.file_name('火' * 500)}.trec".encode()) <= 255


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            r'"C:\Program Files\py\python.exe" C:\a\embed.py --k 3',
            [r"C:\Program Files\py\python.exe", r"C:\a\embed.py"],
        ),
        (r"C:\py\python.exe embed.py x y", [r"C:\py\python.exe", "embed.py"]),
    ],
)
def test_a_windows_path_keeps_its_backslashes(command, expected):
    assert split(command, windows=True)[:2] == expected
    assert len(split(command, windows=True)) == 4


def test_a_file_that_windows_will_not_replace_is_named_and_kept(tmp_path, monkeypatch):
    def refused(self: Path, target: Path) -> None:
        raise PermissionError(13, "Access is denied", str(self), 5, str(target))

    path = tmp_path / "index.bm25"
    path.write_bytes(b"old")
    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(PermissionError, match=r"index\.bm25 cannot be replaced .*memory-mapped.*give another path"):
        atomic.write_atomically(path, b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["index.bm25"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("platform", "remedy"), [("win32", "run in WSL"), ("linux", "pip install 'refimpl\\[milvus]'")]
)
def test_milvus_lite_where_there_is_none_is_one_sentence(platform, remedy, monkeypatch):
    monkeypatch.setattr(milvus_uri, "find_spec", lambda name: None)
    monkeypatch.setattr("sys.platform", platform)
    with pytest.raises(milvus_uri.MilvusError, match=f"milvus-lite .*{remedy}, or give a Milvus server by --uri"):
        milvus_uri.Connection().resolve(Path("milvus.db"))
    server = milvus_uri.Connection("http://127.0.0.1:19530")
    assert server.resolve(Path("milvus.db")) == ("http://127.0.0.1:19530", None)
