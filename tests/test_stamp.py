import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import psutil

from refimpl import stamp

ROOT = Path(__file__).parent.parent


def test_the_stamp_is_json_and_names_what_design_asks_for():
    made = json.loads(json.dumps(stamp.stamp(dataset={"name": "toy", "sha256": "00"}, settings={"top_k": 10})))

    assert made["machine"]["memory_bytes"] == psutil.virtual_memory().total
    assert made["machine"]["cores"] == psutil.cpu_count()
    assert made["machine"]["cores_usable"] == len(psutil.Process().cpu_affinity())
    assert made["machine"]["cpu"]
    assert made["python"].endswith(".".join(map(str, sys.version_info[:3])))
    assert made["versions"]["numpy"] == version("numpy")
    assert made["versions"]["pymilvus"] == version("pymilvus")
    assert made["versions"]["milvus-lite"] == version("milvus-lite")
    assert made["dataset"] == {"name": "toy", "sha256": "00"}
    assert made["settings"] == {"top_k": 10}
    assert made["blas"]["numpy_built_with"] != "unknown"


def test_a_library_that_is_absent_is_said_to_be_absent():
    assert stamp.library_version("no-such-distribution-here") == "not installed"
    assert stamp.stamp(libraries=("no-such-distribution-here",))["versions"]["no-such-distribution-here"] == (
        "not installed"
    )


def test_the_commit_is_what_git_says():
    if not (ROOT / ".git").exists():
        assert stamp.commit() == "none"
        return
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert stamp.commit().removesuffix("+changes") == head.stdout.strip()


def test_without_git_the_commit_is_none(monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    assert stamp.commit() == "none"
