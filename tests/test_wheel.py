"""Wheel and sdist as a user gets them: built from a copy of the checkout, installed with what they ask for alone."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow
GOLDEN = """
import hashlib, json
from refimpl.common.resources import data_path
folder = data_path("vectors")
files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
print(json.dumps({file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files}))
"""
ENCODE = """
import numpy as np
from safetensors.numpy import load_file
from refimpl import DefaultEmbeddingFunction
from refimpl import golden
from refimpl.common.resources import data_path
texts = list(golden.texts().values())[:8]
published = load_file(data_path("vectors") / "minilm" / "float32.safetensors")["normalized_sentence_transformers"]
print(np.abs(DefaultEmbeddingFunction()(texts) - published[:8]).max())
"""


def run(command: list[str], cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=540, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-1000:]
    return done.stdout


def pip(python: str | Path) -> list[str]:
    return [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet"]


def files(*options: str) -> list[str]:
    """What git lists under the project; in an unpacked archive, every file that is not generated or hidden."""
    if (ROOT / ".git").exists():
        listed = run(["git", "ls-files", "-z", *options], ROOT).split("\0")
        return [name for name in listed if name and (ROOT / name).is_file()]
    names = (str(file.relative_to(ROOT)) for file in ROOT.rglob("*") if file.is_file())
    return [name for name in names if not re.search(r"(^|/)(\.|__pycache__/|build/|dist/|site/|refimpl-)", name)]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git holds or would take, so that a forgotten file of this machine cannot help."""
    folder = tmp_path_factory.mktemp("copy")
    for name in files("--cached", "--others", "--exclude-standard"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


def built_from(folder: Path, out: Path) -> Path:
    """The wheel of an unpacked project."""
    run([*pip(sys.executable), "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(out), str(folder)], out)
    (wheel,) = out.glob("refimpl-*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_from(copy, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def unpacked(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of the build backend, unpacked."""
    out = tmp_path_factory.mktemp("sdist")
    code = "import sys, hatchling.build; print(hatchling.build.build_sdist(sys.argv[1]))"
    archive = out / run([sys.executable, "-c", code, str(out)], copy).split()[-1]
    assert archive.stat().st_size < 12_000_000
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian's 3.11.2 has none, and no parameter
        tar.extractall(out)
    return out / archive.name.removesuffix(".tar.gz")


def test_the_sdist_holds_what_git_holds(unpacked: Path) -> None:
    packed = {file.relative_to(unpacked).as_posix() for file in unpacked.rglob("*") if file.is_file()}
    left_out = {".gitattributes"}
    assert packed == {*files("--cached", "--others", "--exclude-standard"), "PKG-INFO"} - left_out


def test_the_wheel_of_the_sdist_is_that_of_the_checkout(unpacked: Path, wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(built_from(unpacked, tmp_path)) as ours, zipfile.ZipFile(wheel) as expected:
        assert sorted(ours.namelist()) == sorted(expected.namelist())
        assert [name for name in expected.namelist() if ours.read(name) != expected.read(name)] == []


def test_the_tests_of_the_sdist_find_their_files(unpacked: Path) -> None:
    tests = ["tests/docs/test_security.py", "tests/docs/test_contributing.py", "tests/docs/test_machinery.py"]
    printed = run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests], unpacked)
    assert " passed" in printed


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel and its core dependencies, at the versions that are tested, and no more."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    installer = [*pip(folder / "bin/python"), "install"]
    run([*installer, "--require-hashes", "-r", str(ROOT / "requirements" / "core.txt")], folder)
    run([*installer, "--no-deps", str(wheel)], folder)
    return folder / "bin/python"


def test_the_wheel_holds_the_package_the_golden_vectors_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packaged = [name for name in files() if name.startswith(("refimpl/", "data/vectors/", "data/field/"))]
    expected = {re.sub("^data/", "refimpl/data/", name) for name in packaged}
    assert expected - names == set()
    assert {"refimpl/py.typed", "refimpl/data/vectors/manifest.json"} <= names
    assert all(name.startswith(("refimpl/", "refimpl-")) for name in names)
    assert not [name for name in names if "__pycache__" in name or name.startswith("refimpl/tests")]
    assert wheel.stat().st_size < 3_000_000


def test_its_metadata_states_licence_python_and_extras(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as zipped:
        (name,) = (name for name in zipped.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(zipped.read(name).decode())
        assert any(name.endswith("licenses/LICENSE") for name in zipped.namelist())
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert {"milvus", "bench", "dev", "peers"} <= set(metadata.get_all("Provides-Extra") or [])
    core = [line for line in metadata.get_all("Requires-Dist") or [] if "extra ==" not in line]
    assert not [line for line in core if line.startswith(("torch", "pymilvus", "transformers", "pytest"))]


def test_installed_it_is_whole_outside_the_checkout(python: Path, tmp_path: Path) -> None:
    where = run([str(python), "-c", "import refimpl; print(refimpl.__file__)"], tmp_path).strip()
    assert Path(where).is_relative_to(python.parent.parent)
    assert (Path(where).parent / "py.typed").is_file()
    assert run([str(python), "-c", GOLDEN], tmp_path) == run([sys.executable, "-c", GOLDEN], ROOT)


def test_installed_every_public_name_resolves(python: Path, tmp_path: Path) -> None:
    code = "import refimpl; print(len([getattr(refimpl, name) for name in refimpl.__all__]))"
    assert int(run([str(python), "-c", code], tmp_path)) >= 3


def test_installed_the_command_line_runs(python: Path, tmp_path: Path) -> None:
    command = str(python.parent / "refimpl")
    assert "Usage: refimpl" in run([command, "--help"], tmp_path)
    assert "all-MiniLM-L6-v2" in run([command, "models", "list"], tmp_path, COLUMNS="160")
    assert "Usage:" in run([str(python), "-m", "refimpl", "--help"], tmp_path)


def test_installed_its_requirements_are_met(python: Path, tmp_path: Path) -> None:
    assert "No broken requirements" in run([str(python), "-m", "pip", "check"], tmp_path)


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ("run", ["demo"]),
        ("run", ["run", "--dataset", "python-docs:regex"]),
        ("report", ["report", "results.json"]),
        ("explain", ["explain", "a question", "--docs", "texts.txt"]),
        ("serve", ["serve"]),
    ],
)
def test_installed_without_an_extra_a_command_names_it(
    python: Path, tmp_path: Path, extra: str, arguments: list[str]
) -> None:
    (tmp_path / "texts.txt").write_text("one text\n")
    (tmp_path / "results.json").write_text("{}")
    command = [str(python.parent / "refimpl"), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert f"pip install 'refimpl[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_installed_without_ir_datasets_its_collections_name_the_extra(python: Path, tmp_path: Path) -> None:
    code = "from refimpl.datasets import open_dataset as get\ntry: get('ir:vaswani')\nexcept ValueError as e: print(e)"
    assert "pip install 'refimpl[datasets]'" in run([str(python), "-c", code], tmp_path)


def test_installed_the_encoder_agrees_with_sentence_transformers_golden_vectors(python: Path, tmp_path: Path) -> None:
    assert float(run([str(python), "-c", ENCODE], tmp_path)) < 1e-6


def test_installed_import_loads_nothing_heavy_and_its_time_is_printed(
    python: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = (
        "import time, sys; t = time.perf_counter(); import refimpl; print(time.perf_counter() - t); "
        "print([name for name in ('pymilvus', 'requests', 'numpy', 'tokenizers') if name in sys.modules])"
    )
    runs = [run([str(python), "-c", code], tmp_path).splitlines() for _ in range(5)]
    assert {loaded for _, loaded in runs} == {"[]"}
    with capsys.disabled():
        print(f"\nimport refimpl, installed: {min(float(seconds) for seconds, _ in runs) * 1e3:.1f} ms (best of 5)")
