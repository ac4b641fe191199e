"""pyproject.toml and requirements/ agree for every Python that is promised; no network."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from requirements import lock

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
REMEDY = "run `make lock`"
PYTHONS = ("3.11.0", "3.11.2", "3.11.5", "3.12.0", "3.12.1", "3.13.0", "3.14.0")
LINUX = {
    **{"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    **{"implementation_name": "cpython", "platform_python_implementation": "CPython", "extra": ""},
}


def environment(python: str) -> dict[str, str]:
    version = ".".join(python.split(".")[:2])
    return {**LINUX, "python_full_version": python, "implementation_version": python, "python_version": version}


def applies(marker: Marker | None, python: str) -> bool:
    return marker is None or marker.evaluate(environment(python))


def wanted(requirements: list[str]) -> list[Requirement]:
    """With refimpl[a,b] replaced by what the extras a and b list."""
    found = []
    for requirement in map(Requirement, requirements):
        if requirement.name == "refimpl":
            found += [inner for extra in requirement.extras for inner in wanted(EXTRAS[extra])]
        else:
            found.append(requirement)
    return found


def of_lock(name: str) -> list[Requirement]:
    """Every requirement of pyproject.toml that the lock of that name must pin."""
    target = lock.LOCKS[name]
    listed = [*PROJECT["dependencies"], *(each for extra in target.extras for each in EXTRAS[extra])]
    return wanted(listed + (lock.build_requirements() if target.builds else []))


@cache
def pinned(name: str, python: str) -> dict[str, list[str]]:
    """The versions that pip would install from that file and those it includes, of each package."""
    text = lock.path(name).read_text("utf-8")
    found: dict[str, list[str]] = {}
    for block in lock.pins(text):
        requirement = Requirement(block.partition("\\\n")[0].strip())
        if applies(requirement.marker, python):
            (exact,) = requirement.specifier
            assert exact.operator == "==", block
            found.setdefault(canonicalize_name(requirement.name), []).append(exact.version)
    for included in re.findall(r"^-r (\w+)\.txt$", text, flags=re.MULTILINE):
        for package, versions in pinned(included, python).items():
            found.setdefault(package, []).extend(versions)
    return found


def unmet(requirements: list[Requirement], versions: dict[str, list[str]], python: str) -> list[str]:
    return [
        str(each)
        for each in requirements
        if each.name != lock.APART
        and applies(each.marker, python)
        and not any(
            each.specifier.contains(v, prereleases=True) for v in versions.get(canonicalize_name(each.name), ())
        )
    ]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", lock.LOCKS)
def test_every_requirement_is_pinned_by_a_version_that_satisfies_it(name: str, python: str) -> None:
    assert unmet(of_lock(name), pinned(name, python), python) == [], REMEDY


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", lock.LOCKS)
def test_a_package_has_one_version_on_each_python(name: str, python: str) -> None:
    several = {package: versions for package, versions in pinned(name, python).items() if len(set(versions)) > 1}
    assert several == {}


@cache
def required() -> list[tuple[str, str, list[Requirement]]]:
    """Name, version and requirements of each installed distribution."""
    return [(canonicalize_name(d.name), d.version, [*map(Requirement, d.requires or ())]) for d in distributions()]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", lock.LOCKS)
def test_what_the_installed_packages_require_is_pinned_too(name: str, python: str) -> None:
    versions = pinned(name, python)
    installed = [needed for package, version, needed in required() if version in versions.get(package, ())]
    assert len(installed) > 10  # as many as are here at the locked version; fewest with `make minimum`
    assert unmet([each for needed in installed for each in needed], versions, python) == [], REMEDY


def test_an_unpinned_and_an_unsatisfied_requirement_are_both_noticed() -> None:
    versions = {"numpy": ["2.4.6"], "ruff": ["0.17.6"]}
    asked = wanted(["numpy>=2.0", "numpy>=3", "ruff", "scipy", "tomli; python_version < '3.11'", "torch==2.13.0"])
    assert unmet(asked, versions, "3.11.2") == ["numpy>=3", "scipy"]


def test_every_extra_is_in_a_lock() -> None:
    locked = {extra for target in lock.LOCKS.values() for extra in target.extras}
    named = {extra for listed in EXTRAS.values() for each in map(Requirement, listed) for extra in each.extras}
    assert set(EXTRAS) - locked - named == {"dev"}  # test and lint by one name
    assert {extra for each in map(Requirement, EXTRAS["dev"]) for extra in each.extras} == {"test", "lint"}


def test_no_lock_is_left_over_and_each_is_included_as_the_table_says() -> None:
    assert {file.stem for file in lock.FOLDER.glob("*.txt")} == set(lock.LOCKS)
    for name, target in lock.LOCKS.items():
        assert tuple(re.findall(r"^-r (\w+)\.txt$", lock.path(name).read_text("utf-8"), re.MULTILINE)) == target.extends


@pytest.mark.parametrize("name", lock.LOCKS)
def test_every_pin_has_hashes_and_no_line_names_a_place(name: str) -> None:
    text = lock.path(name).read_text("utf-8")
    assert [block for block in lock.pins(text) if not re.search(r"--hash=sha256:[0-9a-f]{64}$", block.strip())] == []
    assert re.findall(r"^.*(?:://|index-url|find-links|[ =]/).*$", text, flags=re.MULTILINE) == []


def test_no_lock_fetches_torch_or_cuda() -> None:
    packages = {package for name in lock.LOCKS for python in PYTHONS for package in pinned(name, python)}
    assert {p for p in packages if p == "torch" or p.startswith(("nvidia-", "cuda-", "triton"))} == set()
    (torch,) = (each for each in wanted(EXTRAS["peers"]) if each.name == lock.APART)
    assert f"install,{torch})" in (ROOT / "Makefile").read_text("utf-8")


def test_the_demo_installs_at_most_half_of_the_152_packages_it_once_did() -> None:
    assert len(pinned("demo", "3.11.2")) + len(("refimpl", "pip", "setuptools")) <= 152 // 2


def test_the_classifiers_are_the_pythons_that_are_resolved_for() -> None:
    listed = {c.rpartition(" ")[2] for c in PROJECT["classifiers"] if "Python :: 3." in c}
    assert listed == {".".join(python.split(".")[:2]) for python in lock.PYTHONS}
    assert listed == {".".join(python.split(".")[:2]) for python in PYTHONS}
    assert all(SpecifierSet(PROJECT["requires-python"]).contains(python) for python in PYTHONS)


def imported() -> dict[str, str]:
    """Each package outside the standard library that a module of refimpl imports, and one such module."""
    found = {}
    for file in sorted((ROOT / "refimpl").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names.append(node.module)
            found |= {name.partition(".")[0]: str(file.relative_to(ROOT)) for name in names}
    return {
        name: file for name, file in found.items() if name not in {*sys.stdlib_module_names, "refimpl", "__future__"}
    }


def test_what_is_imported_is_listed_with_its_lowest_version() -> None:
    """urllib3 was not: below 2.6.3 every client failed at construction."""
    requirements = wanted([*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)])
    lowest = {canonicalize_name(one.name): {spec.operator for spec in one.specifier} for one in requirements}
    packages = packages_distributions()
    assert "urllib3" in imported()
    for name, file in imported().items():
        owners = {canonicalize_name(owner) for owner in packages.get(name, [])} & lowest.keys()
        assert owners or name not in packages, f"{file} imports {name}: list its package in pyproject.toml"
        for owner in owners:
            assert lowest[owner] & {">=", "=="}, f"{owner} has no lowest version in pyproject.toml"
