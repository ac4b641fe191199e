"""Whether a package is installed, and at which version."""

import json
import os
from importlib import import_module, metadata
from pathlib import Path


def installed_version(package: str) -> str | None:
    """Return the installed version of `package` (`SOURCE:NAME`, see `Entry`), None where it is not installed.

    An npm package is searched for in the folders of NODE_PATH and in `node_modules` of the working folder.
    """
    source, _, name = package.partition(":")
    if source == "npm":
        return _npm_version(name)
    if source == "python":
        return _attribute(name)
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def install_command(packages: tuple[str, ...]) -> str:
    """Return the command that installs `packages`, empty where they are part of Python."""
    commands = []
    for source, command in (("pypi", "pip install"), ("npm", "npm install")):
        names = [package.partition(":")[2] for package in packages if package.startswith(f"{source}:")]
        if names:
            commands.append(" ".join([command, *names]))
    return " && ".join(commands)


def node_path() -> str:
    """Return NODE_PATH with `node_modules` of the working folder, for a command run in another folder."""
    local = str(Path.cwd() / "node_modules")
    return os.pathsep.join([*filter(None, os.environ.get("NODE_PATH", "").split(os.pathsep)), local])


def _npm_version(name: str) -> str | None:
    for folder in node_path().split(os.pathsep):
        file = Path(folder) / name / "package.json"
        if file.is_file():
            return str(json.loads(file.read_text(encoding="utf-8"))["version"])
    return None


def _attribute(name: str) -> str | None:
    module, _, attribute = name.rpartition(".")
    try:
        value = getattr(import_module(module), attribute)
    except (ImportError, AttributeError):
        return None
    return str(value() if callable(value) else value)
