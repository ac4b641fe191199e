import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import psutil

from refimpl.common import stamp

ROOT = Path(__file__).parents[2]


def test_the_stamp_is_json_and_names_machine_versions_data_and_settings():
    stamped = json.loads(json.dumps(stamp.stamp(dataset={"name": "toy", "sha256": "00"}, settings={"top_k": 10})))

    assert stamped["machine"]["memory_bytes"] == psutil.virtual_memory().total
    assert stamped["machine"]["cores"] == psutil.cpu_count()
    assert stamped["machine"]["cores_usable"] == len(psutil.Process().cpu_affinity())
    assert stamped["machine"]["cpu"]
    assert stamped["python"].endswith(".".join(map(str, sys.version_info[:3])))
    assert stamped["versions"]["numpy"] == version("numpy")
    assert stamped["versions"]["pymilvus"] == version("pymilvus")
    assert stamped["versions"]["milvus-lite"] == version("milvus-lite")
    assert stamped["dataset"] == {"name": "toy", "sha256": "00"}
    assert stamped["settings"] == {"top_k": 10}
    assert stamped["blas"]["numpy_built_with"] != "unknown"


def test_a_missing_library_is_not_installed():
    assert stamp.library_version("no-such-distribution-here") == "not installed"
    assert stamp.stamp(libraries=("no-such-distribution-here",))["versions"]["no-such-distribution-here"] == (
        "not installed"
    )


def test_the_commit_is_that_of_git():
    if not (ROOT / ".git").exists():
        assert stamp.commit() == "none"
        return
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert stamp.commit().removesuffix("+changes") == head.stdout.strip()


def test_without_git_the_commit_is_none(monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    assert stamp.commit() == "none"
