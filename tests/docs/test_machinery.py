"""What a contributor's tools read: pre-commit, the workflow, templates, the citation, the release checklist."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def read(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def commands_of(target: str) -> list[str]:
    """The commands of a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    body = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in body.splitlines()]


def test_pre_commit_runs_the_commands_of_make_check():
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    entries = [hook["entry"].replace(" --force-exclude", "") for hook in repository["hooks"]]
    assert entries == [command.removesuffix(" .") for command in commands_of("check")]
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}, "the locked versions of .venv"


def test_the_workflow_runs_dot_ci_run_and_every_supported_python():
    workflow = read(".github/workflows/ci.yml")
    steps = [step.get("run", "") for step in workflow["jobs"]["run"]["steps"]]
    assert "bash .ci/run" in steps
    assert workflow["jobs"]["python"]["steps"][-1]["run"] == "make test"
    classified = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line]
    assert workflow["jobs"]["python"]["strategy"]["matrix"]["python"] == classified
    assert workflow["permissions"] == {"contents": "read"}
    assert all(
        step.get("with", {}).get("persist-credentials") is False
        for job in workflow["jobs"].values()
        for step in job["steps"]
        if "checkout" in step.get("uses", "")
    )


@pytest.mark.parametrize("form", [form for form in FORMS if form.name != "config.yml"], ids=lambda form: form.stem)
def test_an_issue_form_is_one_that_github_accepts(form):
    content = read(form)
    assert {"name", "description", "body"} <= content.keys()
    ids = [field["id"] for field in content["body"]]
    assert len(ids) == len(set(ids)) > 1
    for field in content["body"]:
        assert field["type"] in ("textarea", "input", "dropdown", "checkboxes")
        assert field["attributes"]["label"]


def test_the_pull_request_template_has_the_rules_of_contributing():
    template = (ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md").read_text("utf-8")
    rules = re.findall(r"^- \*\*(.+?)\.?\*\*", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)[:3]
    assert rules == [
        "An expected value comes from outside",
        "Every check has been seen to fail once",
        "Tolerances are measured",
    ]
    assert template.count("- [ ]") == len(rules) + 1
    for words in ("come from outside", "has failed once", "Tolerances are measured", "make check"):
        assert words in template


def test_the_citation_has_the_version_and_licence_of_the_package():
    citation = read("CITATION.cff")
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


def test_the_release_checklist_names_what_exists():
    checklist = (ROOT / "RELEASING.md").read_text("utf-8")
    for name in re.findall(r"`((?:\.ci|tests|docs)/[\w./]+|\w+\.(?:md|toml|cff))`", checklist):
        assert (ROOT / name).exists(), name
    for target in re.findall(r"make (\w+)", checklist):
        assert commands_of(target)
    for step in ("pipx run build", "twine check --strict", "CHANGELOG.md", "tests/test_wheel.py"):
        assert step in checklist
