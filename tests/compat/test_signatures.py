"""pymilvus.model 0.3.4's modules, names and signatures, parameter by parameter: calls written for it work here."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.peer

INSTALLS = "pymilvus.model.utils installs packages with pip at run time, and refimpl never does"
PRIVATE = "its classes are private, part of the class that uses them"
ABSENT = {
    "utils": INSTALLS,
    "utils.dependency_control": INSTALLS,
}
"""Modules and names, below pymilvus.model, that refimpl has not, and why. A line that is no longer true fails."""

ANOTHER_MODEL = "the default is all-MiniLM-L6-v2 from its safetensors; pymilvus.model's is an ALBERT in ONNX"
DIFFERENT = {
    "DefaultEmbeddingFunction: parameter 0 is model_path, expected model_name": ANOTHER_MODEL,
    "DefaultEmbeddingFunction: parameter 1 is dtype, expected tokenizer_name": ANOTHER_MODEL,
}
"""Signatures that differ on purpose, and why. A line that is no longer true fails."""


def modules(name: str = "") -> Iterator[str]:
    """Paths of the modules that are packaged, below pymilvus.model; folders without __init__.py are private code."""
    package = importlib.import_module(f"pymilvus.model{name and '.' + name}")
    for found in pkgutil.iter_modules(package.__path__):
        path = f"{name}.{found.name}".lstrip(".")
        yield path
        if found.ispkg:
            yield from modules(path)


@cache
def theirs(path: str) -> ModuleType:
    return importlib.import_module(f"pymilvus.model.{path}".rstrip("."))


def public(module: ModuleType) -> list[str]:
    """What `module` lists in `__all__`, or else the classes and functions that it defines."""
    defined = [
        name
        for name, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__
    ]
    return [name for name in getattr(module, "__all__", defined) if not name.startswith("_")]


def absent(path: str) -> bool:
    """Whether refimpl lacks the module or name, by importing it and by attributes from refimpl."""
    module, _, name = path.rpartition(".")
    try:
        found: Any = importlib.import_module(f"refimpl.{module}".rstrip("."))
        if not hasattr(found, name):
            importlib.import_module(f"refimpl.{path}")
        along: Any = importlib.import_module("refimpl")
        for part in path.split("."):
            along = getattr(along, part)
    except (ImportError, AttributeError):
        return True
    return False


def names() -> list[str]:
    """Every public name with its module's path, the subpackages themselves left to `modules`."""
    found = [f"{path}.{name}".lstrip(".") for path in ("", *modules()) for name in public(theirs(path))]
    return [path for path in found if path not in modules()]


def is_not_yet(path: str) -> bool:
    """Whether the class that `path` leads to is defined in a module that is listed as absent."""
    module, _, name = path.rpartition(".")
    home = getattr(theirs(module), name).__module__.removeprefix("pymilvus.model.")
    return home in ABSENT or path in ABSENT


def test_every_module_and_every_name_is_here_or_listed_as_absent() -> None:
    missing = {path for path in modules() if absent(path)}
    missing |= {path for path in names() if absent(path) and not is_not_yet(path)}
    missing |= {path for path in ABSENT if absent(path)}
    assert missing == set(ABSENT)


def test_the_package_has_the_names_of_pymilvus_model() -> None:
    import pymilvus.model

    import refimpl

    assert set(pymilvus.model.__all__) - set(refimpl.__all__) == {"utils"}


def parameters(function: Any) -> list[inspect.Parameter]:
    return [p for p in inspect.signature(function).parameters.values() if p.name != "self"]


def compared(ours: Any, published: Any) -> list[str]:
    """What a call that `published` accepts could find different in `ours`."""
    mine, differences = parameters(ours), []
    wanted = [p for p in parameters(published) if p.kind is not p.VAR_KEYWORD]
    for index, parameter in enumerate(wanted):
        here = mine[index] if index < len(mine) else None
        if here is None or (here.name, here.kind) != (parameter.name, parameter.kind):
            differences.append(f"parameter {index} is {here and here.name}, expected {parameter.name}")
        elif here.default != parameter.default and here.default is not parameter.default:
            differences.append(f"{here.name} defaults to {here.default!r}, expected {parameter.default!r}")
    keywords = any(p.kind is p.VAR_KEYWORD for p in mine)
    if not keywords and any(p.kind is p.VAR_KEYWORD for p in parameters(published)):
        differences.append("no further keywords")
    further = [p for p in mine[len(wanted) :] if p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]
    return differences + [f"{p.name} is further and not keyword-only" for p in further]


def differences() -> dict[str, list[str]]:
    """Each class's constructor, public methods and properties, and each function, where they differ."""
    found: dict[str, list[str]] = {}
    for path in names():
        if absent(path):
            continue
        module, _, name = path.rpartition(".")
        published, ours = (
            getattr(theirs(module), name),
            getattr(importlib.import_module(f"refimpl.{module}".rstrip(".")), name),
        )
        if inspect.isfunction(published):
            found[path] = compared(ours, published)
        if not inspect.isclass(published):
            continue
        found[path] = compared(ours, published)
        for method, value in inspect.getmembers(published):
            if method.startswith("_") and method != "__call__":
                continue
            if inspect.isfunction(value):
                here = getattr(ours, method, None)
                found[f"{path}.{method}"] = ["it is missing"] if here is None else compared(here, value)
            elif isinstance(value, property):
                found[f"{path}.{method}"] = [] if hasattr(ours, method) else ["it is missing"]
    return found


def test_signatures_are_those_of_pymilvus_model() -> None:
    found = differences()
    assert len(found) > 100  # names were found at all
    assert {f"{name}: {line}" for name, lines in found.items() for line in lines} == set(DIFFERENT)
