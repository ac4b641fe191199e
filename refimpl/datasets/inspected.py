"""Public names and docstrings of the standard library, numpy and scipy, by import and inspection.

Run as a script, in a separate process: it imports some 700 modules, patches of the caller's process must not change
the result, and docstrings that scipy builds from sets need a fixed hash seed. It imports nothing of refimpl.
"""

import inspect
import json
import pkgutil
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import GetSetDescriptorType, ModuleType
from typing import Any, NamedTuple

IMPORTED = ("stdlib", "numpy", "scipy")
NOT_IMPORTED = {
    # opens a window, a browser or a terminal, or prints
    "antigravity",
    "curses",
    "idlelib",
    "this",
    "tkinter",
    "turtle",
    "turtledemo",
    # of another operating system
    "msilib",
    "msvcrt",
    "nt",
    "winreg",
    "winsound",
    "asyncio.windows_events",
    "asyncio.windows_utils",
    "multiprocessing.popen_spawn_win32",
    # another name of a module that is listed
    "genericpath",
    "ntpath",
    "posixpath",
    "sre_compile",
    "sre_constants",
    "sre_parse",
    "numpy.compat",
    "numpy.core",
    # tests, tools, tables
    "ctypes",
    "distutils",
    "encodings",
    "ensurepip",
    "lib2to3",
    "pydoc_data",
    "test",
    "numpy.conftest",
    "numpy.distutils",
    "numpy.f2py",
    "numpy.tests",
    "scipy.conftest",
}
METHODS = (staticmethod, classmethod, property, GetSetDescriptorType)


class Entry(NamedTuple):
    """A documented object: dotted name, `(names, of, parameters)` or "", docstring."""

    name: str
    parameters: str
    doc: str


def inspected(packages: tuple[str, ...]) -> Iterator[Entry]:
    """Documented public objects of `packages`, each object once: modules and their members first, methods last.

    A function that is also a method of a class thus has its module's name (`random.choice`).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecated modules, on import
        modules = sorted(_modules(packages), key=lambda module: (module[0].count("."), module[0]))
        members = list(_members(modules))
    for name, module in modules:
        yield from _entry(name, module, "")
    for name, member in members:
        yield from _entry(name, member, _parameters(member))
    for name, member in members:
        if inspect.isclass(member):
            yield from _methods(name, member)


def _modules(packages: tuple[str, ...]) -> Iterator[tuple[str, ModuleType]]:
    for package in packages:
        tops = sorted(sys.stdlib_module_names) if package == "stdlib" else [package]
        for top in tops:
            if package != "stdlib" or _is_standard(top):
                yield from _module_tree(top)
    if "stdlib" in packages:
        yield "os.path", import_module("os.path")


def _is_standard(top: str) -> bool:
    """Whether `top` is imported from the standard library, not from a file of that name in the user's folder."""
    if not _is_public(top) or top in NOT_IMPORTED:
        return False
    spec = find_spec(top)
    if spec is None or spec.origin is None:
        return False
    if spec.origin in {"built-in", "frozen"}:
        return True
    folders = (Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib"))
    return any(Path(spec.origin).resolve().is_relative_to(folder) for folder in folders)


def _module_tree(name: str) -> Iterator[tuple[str, ModuleType]]:
    try:
        module = import_module(name)
    except (ImportError, OSError):  # a module that this build of Python lacks
        return
    if "_sub_module_deprecation" in vars(module):  # scipy's deprecated names of private modules
        return
    yield name, module
    for info in pkgutil.iter_modules(getattr(module, "__path__", [])):
        inner = f"{name}.{info.name}"
        if _is_public(info.name) and info.name not in {"tests", "test"} and inner not in NOT_IMPORTED:
            yield from _module_tree(inner)


def _members(modules: list[tuple[str, ModuleType]]) -> Iterator[tuple[str, Any]]:
    seen: set[int] = set()
    for prefix, module in modules:
        listed = getattr(module, "__all__", None)
        named = {name: getattr(module, name, None) for name in sorted(set(listed or vars(module)))}
        # of several names in one module, the object's __name__ first: concatenate before concat
        for name, member in sorted(named.items(), key=lambda item: getattr(item[1], "__name__", "") != item[0]):
            if not _is_public(name) or inspect.ismodule(member) or not callable(member) or id(member) in seen:
                continue
            if listed is None and not _is_defined_in(member, prefix):
                continue
            seen.add(id(member))
            yield (name if prefix == "builtins" else f"{prefix}.{name}"), member


def _is_defined_in(member: Any, module: str) -> bool:
    """Whether the object belongs to the module's package; `_bisect`, in C, belongs to `bisect`."""
    origin = getattr(member, "__module__", None) or ""
    return origin.split(".")[0].lstrip("_") == module.split(".")[0]


def _methods(prefix: str, owner: type) -> Iterator[Entry]:
    for name, method in sorted(vars(owner).items()):
        if _is_public(name) and (callable(method) or isinstance(method, METHODS)) and not inspect.isclass(method):
            yield from _entry(f"{prefix}.{name}", method, _parameters(method))


def _entry(name: str, thing: Any, parameters: str) -> Iterator[Entry]:
    doc = getattr(thing, "__doc__", None)
    # an instance without a docstring has its class's
    inherited = not inspect.isclass(thing) and doc is getattr(type(thing), "__doc__", None)
    if isinstance(doc, str) and not inherited and not doc.startswith("Alias for field number"):
        lines = inspect.cleandoc(doc).splitlines()
        # scipy runs some examples on import, with random numbers, and marks their output
        yield Entry(name, parameters, "\n".join(line for line in lines if not line.endswith("# may vary")))


def _parameters(thing: Any) -> str:
    """Names of the parameters only: a default may contain an address, which differs between processes."""
    if inspect.isclass(thing) or isinstance(thing, property | GetSetDescriptorType):
        return ""
    try:
        names = inspect.signature(getattr(thing, "__func__", thing)).parameters
    except (TypeError, ValueError):  # compiled, without a signature
        return ""
    return f"({', '.join(name for name in names if name not in {'self', 'cls'})})"


def _is_public(name: str) -> bool:
    return not name.startswith("_")


def main() -> None:
    """Print one JSON array `[name, parameters, doc]` per line for the packages passed as arguments."""
    output, sys.stdout = sys.stdout, sys.stderr  # a module may print when it is imported
    for entry in inspected(tuple(sys.argv[1:])):
        output.write(json.dumps(entry) + "\n")


if __name__ == "__main__":
    main()
