"""Lazy imports of public names (PEP 562): importing a package loads no other module."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_exports(
    package: str, names: Mapping[str, Sequence[str]], absent: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return a package's `__getattr__`, `__dir__` and `__all__`.

    Parameters
    ----------
    package
        The package's `__name__`.
    names
        The public names that each module of the package defines. The modules are attributes too, but not in
        `__all__`: `from refimpl.dense import *` must not bind `openai` or `cohere`.
    absent
        The reason for each name that pymilvus.model has and this package lacks, for the AttributeError.

    Returns
    -------
    tuple
        Assign it under `if not TYPE_CHECKING` and import the names under `if TYPE_CHECKING`, so that type checkers see
        classes and report a misspelt name.
    """
    origin = {name: f"{package}.{module}" for module, defined in names.items() for name in defined}
    reasons = dict(absent or {})
    public = sorted(origin)

    def module_getattr(name: str) -> Any:
        if name in origin:
            value = getattr(import_module(origin[name]), name)
        elif name in names:
            value = import_module(f"{package}.{name}")
        else:
            has = f"{reasons[name]}; {package} has {', '.join(public)}" if name in reasons else ""
            message = f"module {package!r} has no attribute {name!r}" + (f": {has}" if has else "")
            raise AttributeError(message, name=name, obj=sys.modules[package])
        setattr(sys.modules[package], name, value)  # later accesses do not call this function
        return value

    def module_dir() -> list[str]:
        dunder = (name for name in vars(sys.modules[package]) if name.startswith("__"))
        return sorted({*dunder, *origin, *names})

    return module_getattr, module_dir, public
