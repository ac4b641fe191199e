"""A real Milvus server, 2.3.5 in standalone mode, from PyPI's `milvus`: started in a folder, killed, started again."""

import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

TOKEN = "root:Milvus"  # the user that Milvus has at first
READY_S = 90


class MilvusServer:
    """Milvus with authorisation, its data in `folder`; `kill` and `start` keep data and port."""

    def __init__(self, folder: Path) -> None:
        import milvus

        config = milvus.MilvusServerConfig(data_dir=str(folder))
        config.set("authorization_enabled", True)
        config.resolve()
        milvus._initialize_data_files(str(folder))
        self.uri = f"http://127.0.0.1:{config.get('proxy_port')}"
        self._folder = folder
        self._health_port, free = config.resolve_port(9091)
        free.close()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def resident_bytes(self) -> int:
        """Resident memory of the server."""
        import psutil

        assert self._process is not None
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def start(self) -> None:
        """Start the server, and return when it is healthy."""
        programs = self._folder / "bin"
        environment = os.environ | {
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self._health_port),
            "MILVUS_RUN_DIR": str(self._folder / "run"),
            "LD_LIBRARY_PATH": f"{programs}:{os.environ.get('LD_LIBRARY_PATH', '')}",
        }
        with (self._folder / "output.txt").open("ab") as output:
            self._process = subprocess.Popen(
                [programs / "milvus", "run", "standalone"],
                env=environment,
                cwd=self._folder,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + READY_S
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Milvus did not start: see {self._folder}/output.txt")
            time.sleep(0.1)

    def kill(self) -> None:
        """End the server by SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._health_port}/healthz", timeout=5) as response:
                return b"OK" in response.read()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
