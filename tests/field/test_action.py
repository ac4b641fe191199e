"""action.yml: its shell commands, run by bash on a small adapter as GitHub's runner would, and the page's recipe."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
EXPRESSION = re.compile(r"\$\{\{ inputs\.([\w-]+) \}\}")
FUSE = """
def fuse(routes, method, k=60, **_):
    "Reciprocal rank fusion alone: a weighted sum is not implemented."
    if method != "rrf":
        raise ValueError("rrf only")
    scores = {}
    for route in routes:
        for rank, (doc, _) in enumerate(route, 1):
            scores[doc] = scores.get(doc, 0) + 1 / (k + rank) * FACTOR
    return sorted(scores.items(), key=lambda pair: -pair[1])
"""


def step(name):
    (found,) = [one for one in ACTION["runs"]["steps"] if one.get("name") == name]
    return found


def run(folder, **given):
    """The step `refimpl check` with its inputs, `python` being this one."""
    inputs = {name: one["default"] for name, one in ACTION["inputs"].items()} | given
    own = {
        name: EXPRESSION.sub(lambda found: inputs[found[1]], text)
        for name, text in step("refimpl check")["env"].items()
    }
    (folder / "bin").mkdir(exist_ok=True)
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    environment = {**os.environ, **own, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step("refimpl check")["run"]]
    return subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("factor", "status", "message"), [("1.0", 0, "matches"), ("2.0", 1, "does not match")])
def test_the_check_sets_the_status_and_writes_the_reports(tmp_path, factor, status, message):
    source = FUSE.replace("FACTOR", factor).replace('raise ValueError("rrf only")', "return milvus(routes, **_)")
    source += MILVUS
    (tmp_path / "mine.py").write_text(source)
    done = run(tmp_path, target="mine:fuse", suite="fusion", report="out folder")
    assert done.returncode == status, done.stdout + done.stderr
    badge = json.loads((tmp_path / "out folder" / "badge.json").read_text())
    assert (badge["schemaVersion"], badge["label"], badge["message"]) == (1, "refimpl check", message)
    outcome = json.loads((tmp_path / "out folder" / "outcome.json").read_text())
    assert outcome["ok"] == (status == 0)
    assert {file.name for file in (tmp_path / "out folder").iterdir()} >= {"outcome.xml", "outcome.html"}


MILVUS = """

def milvus(routes, weights, metrics, norm_score, **_):
    "Milvus' weighted sum: each metric has its own arctan."
    import math
    scores = {}
    normal = {
        "IP": lambda x: 0.5 + math.atan(x) / math.pi,
        "COSINE": lambda x: (1 + x) * 0.5,
        "L2": lambda x: 1 - 2 * math.atan(-x) / math.pi,
    }
    for route, weight, metric in zip(routes, weights, metrics):
        for doc, score in route:
            value = normal[metric](score) if norm_score else score
            scores[doc] = scores.get(doc, 0) + weight * value
    return sorted(scores.items(), key=lambda pair: -pair[1])
"""


def test_a_command_and_several_suites(tmp_path):
    (tmp_path / "loop.py").write_text('import sys\nfor line in sys.stdin:\n    print(\'{"nDCG@10": 2, "MAP": 2}\')\n')
    done = run(tmp_path, command="python loop.py", suite="metrics fusion")
    assert done.returncode == 1, done.stderr
    outcome = json.loads((tmp_path / "refimpl-check" / "outcome.json").read_text())
    assert [suite["name"] for suite in outcome["suites"]] == ["metrics", "fusion"]


def test_a_wrong_command_line_is_status_2_and_no_command_of_the_inputs_is_run(tmp_path):
    assert run(tmp_path).returncode == 2
    done = run(tmp_path, target="$(touch intruder)", suite="fusion; touch intruder")
    assert done.returncode != 0
    assert not (tmp_path / "intruder").exists()


def test_no_input_is_pasted_into_a_script():
    for one in ACTION["runs"]["steps"]:
        assert "${{" not in one.get("run", "")
    assert set(EXPRESSION.findall(str(ACTION["runs"]["steps"]))) | {"python-version"} == set(ACTION["inputs"])


def test_the_recipe_of_the_page_uses_inputs_of_the_action():
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / "ci.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    workflow = yaml.safe_load(blocks[0])
    (used,) = [one for one in workflow["jobs"]["check"]["steps"] if one["uses"].startswith("OWNER/refimpl")]
    assert set(used["with"]) <= set(ACTION["inputs"])
    upload = workflow["jobs"]["check"]["steps"][-1]
    assert upload["with"]["path"] == ACTION["inputs"]["report"]["default"]
