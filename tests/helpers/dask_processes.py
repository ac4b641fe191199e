"""A Dask scheduler and workers as processes, started by command line as docs/scale.md does."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
PATH = [ROOT, ROOT / "tests" / "helpers"]


class Processes:
    """Starts processes in a folder, and kills them at the end of the block; `environment` is set for all of them."""

    def __init__(self, folder, **environment):
        self.folder, self.environment, self.running = Path(folder), environment, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running:
            self.kill(process)

    @property
    def first(self):
        return self.running[0]

    def scheduler(self, address="tcp://127.0.0.1:0"):
        """Start a scheduler, and return its address."""
        file = self.folder / f"scheduler-{len(self.running)}.json"
        self.start(["scheduler", "--host", address], "--no-dashboard", "--scheduler-file", str(file))
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if file.exists() and file.read_text():
                return json.loads(file.read_text())["address"]
            time.sleep(0.05)
        raise TimeoutError((self.folder / "dask.log").read_text())

    def worker(self, address, path=PATH):
        """Start a worker process of one thread, whose modules are in `path`."""
        return self.start(["worker", address], "--nthreads", "1", "--no-nanny", "--no-dashboard", path=path)

    def start(self, command, *options, path=PATH):
        """Start `dask COMMAND OPTIONS`."""
        with (self.folder / "dask.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *command, *options],
                env=self.variables(path),
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        self.running.append(process)
        return process

    def variables(self, path=PATH):
        """The environment of the processes, whose modules are in `path`."""
        return {**os.environ, **self.environment, "PYTHONPATH": os.pathsep.join(map(str, path))}

    def other_sources(self):
        """The path of a refimpl of which one file differs."""
        other = self.folder / "other"
        shutil.copytree(ROOT / "refimpl", other / "refimpl", ignore=shutil.ignore_patterns("__pycache__"))
        with (other / "refimpl" / "base.py").open("a") as stream:
            stream.write("# changed\n")
        return [other, *PATH[1:]]

    def kill(self, process):
        """End a process and its children at once."""
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
        process.kill()
        process.wait()
