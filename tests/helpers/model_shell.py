"""A registered model `toy`, its published files, and `refimpl models` in a user's terminal."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from refimpl import models

ROOT = Path(__file__).parents[2]
FILES = {"config.json": b"{}", "model.safetensors": os.urandom(600_000), "1_Pooling/config.json": b'{"a": 1}'}
SHA256 = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
WHEEL = models.Wheel("refimpl-toy-model", "1.0", "toy_model/")
CLOSED = "http://127.0.0.1:9"  # nobody listens on the discard port

# The command line with one more registered model.
RUN = """
import json, sys
from refimpl import models
files, unpack, hub = json.loads(sys.argv.pop(1))
wheel = models.Wheel("refimpl-toy-model", "1.0", "toy_model/")
models.SOURCES["toy"] = models.Source(files=files, wheel=wheel, hub=hub, unpack=tuple(unpack))
from refimpl.cli import main
main()
"""

# Give up CAP_DAC_OVERRIDE for good (PR_CAPBSET_DROP), as a test run by root must, and become the command. Not a
# preexec_fn: after a fork, libraries with threads, such as gRPC, write into the command's standard error.
UNPRIVILEGED = """
import ctypes, os, sys
if os.geteuid() == 0 and ctypes.CDLL(None).prctl(24, 1, 0, 0, 0):
    sys.exit("prctl failed")
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass
class Shell:
    """A user's terminal: an empty home and cache, no network unless a test serves one."""

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

    def run(self, *arguments: str, unprivileged: bool = False) -> subprocess.CompletedProcess[str]:
        """Run the command; `unprivileged` makes file permissions apply, even to root."""
        wrapper = [sys.executable, "-c", UNPRIVILEGED] if unprivileged else []
        return subprocess.run(
            [*wrapper, *self.command(*arguments)],
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


def write_model(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_wheel(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    """Write a wheel that pip accepts: metadata, a record, and the model's files below toy_model/."""
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


def is_complete(folder: Path) -> bool:
    return all((folder / name).read_bytes() == content for name, content in FILES.items())


def error_line(done: subprocess.CompletedProcess[str]) -> str:
    """The message of a failed command: one line, no traceback, nothing on stdout."""
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert not done.stdout
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("refimpl: ")
    return lines[0]
