"""Write the locked requirements of each `make` target from pyproject.toml, or check that they install (needs uv).

One resolution covers every extra, every platform and every Python that `requires-python` allows; each file lists what
its target installs, with hashes, less what the files named in its `-r` lines list. torch is resolved but not listed:
`make peers` installs it by itself, so that pip takes the CPU build where the machine offers one.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
PYPROJECT = FOLDER.parent / "pyproject.toml"
PYTHONS = ("3.11.2", "3.12", "3.13", "3.14")
PLATFORM = "x86_64-manylinux_2_28"
APART = "torch"
WITHOUT_WHEELS = ("jieba", "unidic-lite", "kiwipiepy-model")  # Python and data alone, published as source
HEADER = "# Written by `make lock` from pyproject.toml: change that, then run it.\n"
UV = os.environ.get("UV", "uv")


@dataclass(frozen=True)
class Lock:
    """The extras that a target installs beside the core, and the files that its own file extends."""

    extras: tuple[str, ...] = ()
    extends: tuple[str, ...] = ()
    builds: bool = True  # whether an editable refimpl is built there, which needs the build backend


LOCKS = {
    "core": Lock(builds=False),
    "demo": Lock(("run",), ("core",)),
    "docs": Lock(("run", "docs"), ("demo",)),
    "bench": Lock(("run", "serve", "bench"), ("demo",)),
    "check": Lock(("run", "serve", "check", "explain", "lint"), ("demo",)),
    "test": Lock(
        ("run", "serve", "check", "explain", "datasets", "docs", "bench", "distributed", "test"), ("docs", "bench")
    ),
    "peers": Lock(
        ("run", "serve", "check", "explain", "datasets", "docs", "bench", "distributed", "test", "peers"), ("test",)
    ),
}


def path(name: str) -> Path:
    """Where the lock of that name is."""
    return FOLDER / f"{name}.txt"


def pins(text: str) -> list[str]:
    """The blocks of a requirements file: `name==version ; marker` and its hashes, as written."""
    return re.findall(r"^[A-Za-z0-9].*(?:\n .*)*\n", text, flags=re.MULTILINE)


def build_requirements() -> list[str]:
    """What builds an editable refimpl: the backend of pyproject.toml, and what hatchling asks for when it runs."""
    return [*tomllib.loads(PYPROJECT.read_text("utf-8"))["build-system"]["requires"], "editables~=0.5"]


def write(*, upgrade: bool) -> None:
    """Resolve anew and write every file; versions stay as they are where they can, unless `upgrade`."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        (scratch / "build.in").write_text("\n".join(build_requirements()))
        (scratch / "everything.txt").write_text("" if upgrade else "".join(map("".join, _current().values())))
        everything = _compile(scratch, "everything", tuple(_extras()), builds=True)
        blocks = {}
        for name, lock in LOCKS.items():
            found = _compile(scratch, name, lock.extras, builds=lock.builds, constraint=everything)
            blocks[name] = pins(found.read_text("utf-8"))
    for name, lock in LOCKS.items():
        above = {block for base in _ancestors(name) for block in blocks[base]}
        own = [block for block in blocks[name] if block not in above]
        path(name).write_text(HEADER + "".join(f"-r {base}.txt\n" for base in lock.extends) + "".join(own), "utf-8")


def check() -> None:
    """Resolve every file for each of PYTHONS in hash mode, from wheels (but WITHOUT_WHEELS); a failure ends it."""
    for python in PYTHONS:
        with tempfile.TemporaryDirectory() as target:
            for name in LOCKS:
                _uv(
                    *("install", "--dry-run", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--quiet"),
                    *(part for package in WITHOUT_WHEELS for part in ("--no-binary", package)),
                    *("--python-version", python, "--python-platform", PLATFORM, "--target", target),
                    *("-r", str(path(name))),
                )
        print(f"Python {python}: {', '.join(LOCKS)} resolve")


def _extras() -> list[str]:
    return list(tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["optional-dependencies"])


def _current() -> dict[str, list[str]]:
    return {name: pins(path(name).read_text("utf-8")) for name in LOCKS if path(name).exists()}


def _ancestors(name: str) -> set[str]:
    bases = set(LOCKS[name].extends)
    return bases.union(*map(_ancestors, bases))


def _compile(
    scratch: Path, name: str, extras: tuple[str, ...], *, builds: bool, constraint: Path | None = None
) -> Path:
    out = scratch / f"{name}.txt"
    _uv(
        *("compile", str(PYPROJECT), *([str(scratch / "build.in")] if builds else []), "--output-file", str(out)),
        *("--universal", "--python-version", "3.11.0", "--fork-strategy", "fewest", "--generate-hashes", "--quiet"),
        *("--no-annotate", "--no-header", "--no-emit-package", APART),
        *(part for extra in extras for part in ("--extra", extra)),
        *(("--constraint", str(constraint)) if constraint else ()),
    )
    return out


def _uv(*arguments: str) -> None:
    command = [UV, "pip", *arguments]
    try:
        done = subprocess.run(command, cwd=FOLDER.parent, stdout=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        sys.exit(f"expected the program uv, got no {UV!r}: pip install uv, or name it with UV=/path/to/uv")
    if done.returncode:
        sys.exit(f"failed: {' '.join(command)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="resolve the written files for each Python; write nothing")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    options = parser.parse_args()
    check() if options.check else write(upgrade=options.upgrade)
