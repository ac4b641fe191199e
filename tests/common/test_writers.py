"""Every file that the package writes is written by refimpl.common.atomic."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "refimpl"
ALLOWED = {
    "common/atomic.py": "it is the writer",
    "field/measure.py": "the standard error of a child process, in a temporary folder",
    "models/transfer.py": "files of a download, in a folder that is renamed when it is complete",
    "golden/export.py": "copies into the folder of folder_atomically",
    "sparse/analyzers/build.py": "an example in a docstring",
}
METHODS = {
    "write_text",
    "write_bytes",
    "tofile",
    "save_file",
    "savez",
    "savetxt",
    "copyfile",
    "copy",
    "copytree",
    "move",
}


def writes(source: str) -> list[int]:
    """Line numbers of calls that write a file by its path."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        of = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
        if name in ("copy", "move", "copyfile", "copytree"):
            writing = of == "shutil"
        elif name == "savez":
            writing = not any(isinstance(argument, ast.Name) and argument.id == "stream" for argument in node.args)
        elif name == "open":
            modes = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
            text = [str(mode.value) for mode in modes if isinstance(mode, ast.Constant) and isinstance(mode.value, str)]
            writing = any(set(mode) <= set("rwxabt+") and set(mode) & set("wxa+") for mode in text)
        else:
            writing = name in METHODS
        if writing:
            found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    "call",
    ["p.write_text(a)", "open(f, 'w')", "p.open('xb')", "p.open(mode='a')", "np.savez(f, a=a)", "shutil.copy(a, b)"],
)
def test_a_write_is_recognised(call: str) -> None:
    assert writes(call) == [1]


def test_no_module_writes_a_file_by_itself() -> None:
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        if name not in ALLOWED:
            assert writes(file.read_text(encoding="utf-8")) == [], name
