"""docs/cluster.md: its commands start a cluster and run on it, and its program prints the right document."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
from dask_processes import Processes

PAGE = Path(__file__).parents[2] / "docs" / "cluster.md"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def test_the_commands_and_the_program_of_the_page(tmp_path, minilm_folder):
    blocks = BLOCK.findall(PAGE.read_text("utf-8").replace("8786", str(free_port())))
    install, scheduler, worker, embed = [code.strip() for language, code in blocks if language == "sh"]
    (program,) = [code for language, code in blocks if language == "python"]
    assert install.splitlines()[0] == "pip install 'refimpl[distributed]'"
    (tmp_path / "texts.txt").write_text("one\ntwo\n")
    (tmp_path / "program.py").write_text(program)
    with Processes(tmp_path, REFIMPL_MODEL_DIR=str(minilm_folder.parent)) as dask:
        dask.start(scheduler.split()[1:], "--no-dashboard")
        dask.start(worker.split()[1:], "--no-dashboard")
        for command in ([sys.executable, "-m", *embed.split()], [sys.executable, "program.py"]):
            done = subprocess.run(
                command, cwd=tmp_path, env=dask.variables(), capture_output=True, text=True, check=False, timeout=300
            )
            assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "vectors.npy").shape == (2, 384)
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert re.match(r"\[\[ *7 ", done.stdout)
    assert len(list((tmp_path / "shards").glob("*.parquet"))) == 5
