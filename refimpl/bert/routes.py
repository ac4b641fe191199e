"""The modules of a sentence-transformers folder for one task, "query", "document" or none.

A Router (once called Asym) is a module of several routes, each a list of modules in folders beside its
router_config.json. The route of a task is that of sentence-transformers for texts: by route_mappings, else of the
task's name, else "text"; without a task the default route, else with `allow_empty_key` the first.
"""

import ast
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from refimpl.bert.files import WeightsError, read_json
from refimpl.bert.sentence_files import Module, check_keys, module_list, module_of

TASKS = ("query", "document", None)
ROUTERS = ("Router", "Asym")
Read = TypeVar("Read")
Made = TypeVar("Made")
Mappings = dict[tuple[Any, Any], str]


class RouteError(WeightsError):
    """A Router has no route for a task."""


def task_modules(folder: Path, task: str | None) -> list[Module]:
    """Return class and folder of each module of `folder` for texts of this task, with routes in place of a Router.

    Raises RouteError if a Router has no route for the task, and WeightsError, which names file and key, for anything
    invalid.
    """
    return [module for listed in module_list(folder) for module in _routed(listed, task)]


def by_task(folder: Path, read: Callable[[list[Module]], Read]) -> dict[str | None, Read]:
    """Return what `read` makes of the modules of each task that has a route; tasks with the same modules share it.

    Raises RouteError if no task has a route, and as `task_modules`.
    """
    listed, errors = dict[str | None, list[Module]](), list[RouteError]()
    for task in TASKS:
        try:
            listed[task] = task_modules(folder, task)
        except RouteError as error:
            errors.append(error)
    if not listed:
        raise errors[0]
    distinct = {tuple(modules): read(modules) for modules in {tuple(m): m for m in listed.values()}.values()}
    return {task: distinct[tuple(modules)] for task, modules in listed.items()}


def each_once(routes: Mapping[str | None, Read], make: Callable[[Read], Made]) -> dict[str | None, Made]:
    """Return what `make` makes of each task's value; tasks that share a value share it."""
    made = {key: make(value) for key, value in {id(value): value for value in routes.values()}.items()}
    return {task: made[id(value)] for task, value in routes.items()}


def one_list(folder: Path) -> list[Module]:
    """Return the modules that all tasks have in common; WeightsError if the tasks have different ones."""
    modules = task_modules(folder, None)
    if any(task_modules(folder, task) != modules for task in TASKS):
        raise WeightsError(
            f"{folder / 'modules.json'}: expected the same modules for queries and documents, got a Router: use an "
            "embedding function with routes, such as SentenceTransformerEmbeddingFunction"
        )
    return modules


def _routed(module: Module, task: str | None) -> list[Module]:
    kind, folder = module
    if kind not in ROUTERS:
        return [module]
    file = next((file for name in CONFIGS if (file := folder / name).is_file()), folder / CONFIGS[0])
    config = read_json(file)
    check_keys(file, config, ("types", "structure", "parameters"))
    types, structure, parameters = (_object(file, config, key) for key in ("types", "structure", "parameters"))
    names = structure[_route(file, structure, parameters, task)]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise WeightsError(f"{file}: expected a list of modules for each route, got {str(names)[:80]}")
    listed = [module_of(file, types.get(name), name) for name in names]
    return [inner for each in listed for inner in _routed(each, task)]


CONFIGS = ("router_config.json", "config.json")


def _object(file: Path, config: Mapping[str, Any], key: str) -> dict[str, Any]:
    if not isinstance(value := config.get(key), dict) or (not value and key != "parameters"):
        raise WeightsError(f"{file}: expected an object for {key}, got {str(value)[:80]}")
    return value


def _route(file: Path, structure: Mapping[str, Any], parameters: Mapping[str, Any], task: str | None) -> str:
    check_keys(file, parameters, ("default_route", "route_mappings"), {"allow_empty_key": (True, False)})
    default, mappings = parameters.get("default_route"), _mappings(file, parameters)
    for route in (default, *mappings.values()):
        if route is not None and (not isinstance(route, str) or route not in structure):
            raise WeightsError(f"{file}: expected a route of {', '.join(structure)}, got {route!r}")
    for key in ((task, "text"), (task, None), (None, "text"), (None, None)):
        if key in mappings:
            return mappings[key]
    for name in (task, "text"):
        if name is not None and name in structure:
            return name
    if task is not None:
        raise RouteError(f"{file}: expected a route for the task {task!r}, got routes {', '.join(structure)}")
    if default is None and parameters.get("allow_empty_key", True):
        return next(iter(structure))
    if default is None:
        raise RouteError(
            f"{file}: expected a default_route for texts without a task, got routes {', '.join(structure)}: encode "
            "queries or documents"
        )
    return str(default)


def _mappings(file: Path, parameters: Mapping[str, Any]) -> Mappings:
    """route_mappings by task and modality, which are written as Python tuples."""
    published, mappings = parameters.get("route_mappings") or {}, Mappings()
    if not isinstance(published, dict):
        raise WeightsError(f"{file}: expected an object for route_mappings, got {str(published)[:80]}")
    for key, route in published.items():
        try:
            task, modality = ast.literal_eval(key)
            mappings[task, modality] = route
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            raise WeightsError(f"{file}: expected a task and a modality in route_mappings, got {key[:80]!r}") from None
    return mappings
