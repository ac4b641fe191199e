"""The documentation of the installed Python packages as a test collection, with a programmer's questions as queries.

The standard library, numpy and scipy are imported and inspected, because half of them is compiled and their public
names are re-exports. Every other package is parsed, not imported: its code does not run.
"""

import ast
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from refimpl.common.json_reader import parse_json
from refimpl.common.resources import data_path
from refimpl.datasets import inspected
from refimpl.datasets.base import BadLines, DatasetError, Document, Qrels
from refimpl.datasets.inspected import IMPORTED, Entry

# the requirements of refimpl, which every installation has, whatever its extras
PARSED = ("filelock", "huggingface_hub", "jaxtyping", "requests", "rich", "safetensors", "tokenizers", "typer", "yaml")
DEFAULT = (*IMPORTED, *PARSED)
MIN_WORDS = 4
MAX_CHARACTERS = 8000  # of a docstring: far more than any encoder reads, far below Milvus' 65,535 bytes


class PythonDocs:
    """One document per public function, class, method and module: its name, its parameters' names and its docstring.

    `packages` are import names (`stdlib` for the standard library); by default the standard library, numpy, scipy and
    the requirements of refimpl. An object with several names is one document, under its shortest name, and so are
    objects with the same docstring. The same environment gives the same documents in the same order. Qrels of names
    that are not in these packages are left out, and so are queries without any other. `max_documents` keeps that many:
    every judged document, and of the others those whose names have the lowest sha256. Raises DatasetError for a package
    that is not installed.
    """

    def __init__(self, packages: Iterable[str] = (), *, max_documents: int | None = None) -> None:
        self.packages = tuple(dict.fromkeys(name.strip() for name in packages)) or DEFAULT
        self.name = "python-docs" if self.packages == DEFAULT else f"python-docs:{','.join(self.packages)}"
        if max_documents is not None:
            self.name += f", {max_documents} documents"
        self.max_documents = max_documents
        self.bad = BadLines()
        self._documents: list[Document] = []

    def documents(self) -> Iterator[Document]:
        """Every document, sorted by name."""
        if not self._documents:
            self._documents = _first_documents(self.max_documents, _documents(self.packages))
        return iter(self._documents)

    def queries(self) -> dict[str, str]:
        """The queries with at least one relevant document among these."""
        qrels = self.qrels()
        return {query_id: text for query_id, text in questions().items() if query_id in qrels}

    def qrels(self) -> Qrels:
        """The qrels of these documents."""
        ids = {document.id for document in self.documents()}
        kept = {
            query_id: {doc_id: relevance for doc_id, relevance in of_query.items() if doc_id in ids}
            for query_id, of_query in judgements().items()
        }
        return {query_id: of_query for query_id, of_query in kept.items() if of_query}


def questions() -> dict[str, str]:
    """The queries shipped with refimpl, `{query_id: text}`."""
    with (data_path("questions") / "queries.jsonl").open(encoding="utf-8") as stream:
        rows = [parse_json(line, stream.name) for line in stream]
    return {row["_id"]: row["text"] for row in rows}


def judgements() -> Qrels:
    """The qrels shipped with refimpl: 2 for an answer to the question, 1 for a helpful document."""
    qrels: Qrels = {}
    with (data_path("questions") / "qrels.tsv").open(encoding="utf-8") as stream:
        next(stream)
        for line in stream:
            query_id, doc_id, relevance = line.rstrip("\n").split("\t")
            qrels.setdefault(query_id, {})[doc_id] = int(relevance)
    return qrels


def _documents(packages: tuple[str, ...]) -> list[Document]:
    kept: dict[str, Document] = {}
    docstrings: set[str] = set()
    for entry in _entries(packages):
        doc = entry.doc.strip()[:MAX_CHARACTERS]
        if entry.name in kept or doc in docstrings or len(doc.split()) < MIN_WORDS:
            continue
        docstrings.add(doc)
        kept[entry.name] = Document(entry.name, f"{entry.name}{entry.parameters}\n{doc}")
    return [kept[name] for name in sorted(kept)]


def _first_documents(most: int | None, documents: list[Document]) -> list[Document]:
    if most is None or len(documents) <= most:
        return documents
    judged = {doc_id for of_query in judgements().values() for doc_id in of_query}

    def order(document: Document) -> tuple[bool, str]:
        return document.id not in judged, hashlib.sha256(document.id.encode()).hexdigest()

    kept = {document.id for document in sorted(documents, key=order)[:most]}
    return [document for document in documents if document.id in kept]


def _entries(packages: tuple[str, ...]) -> Iterator[Entry]:
    yield from _inspected([name for name in packages if name in IMPORTED])
    for package in packages:
        if package not in IMPORTED:
            yield from parsed(package)


def _inspected(packages: list[str]) -> Iterator[Entry]:
    command = [sys.executable, "-P", inspected.__file__, *packages]  # -P: do not import from the working folder
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise DatasetError(f"python-docs: {', '.join(packages)} could not be inspected: {last}")
    for line in done.stdout.splitlines():
        yield Entry(*parse_json(line, "the inspection", lone_surrogates=True))


def parsed(package: str) -> list[Entry]:
    """Public modules, functions, classes and methods of a package, read from its source without importing it."""
    entries: list[Entry] = []
    for module, file in _modules(package):
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):  # a template, or a newer Python's syntax
            continue
        if doc := ast.get_docstring(tree):
            entries.append(Entry(module, "", doc))
        entries.extend(_definitions(module, tree))
    return sorted(entries, key=lambda entry: (entry.name.count("."), entry.name))


def _modules(package: str) -> Iterator[tuple[str, Path]]:
    spec = PathFinder.find_spec(package)  # searches paths only: a dotted name would import its parent
    if spec is None or "." in package:
        raise DatasetError(f"python-docs: no package {package!r} is installed: give import names, comma-separated")
    if not spec.submodule_search_locations:
        if spec.origin and spec.origin.endswith(".py"):
            yield package, Path(spec.origin)
        return
    for location in spec.submodule_search_locations:
        root = Path(location)
        for file in sorted([*root.rglob("*.py"), *root.rglob("*.pyi")]):
            parts = file.relative_to(root).with_suffix("").parts
            names = parts[:-1] if parts[-1] == "__init__" else parts
            if not any(name.startswith("_") or name in {"tests", "test", "testing", "conftest"} for name in names):
                yield ".".join((package, *names)), file


def _definitions(prefix: str, scope: ast.Module | ast.ClassDef) -> Iterator[Entry]:
    for node in scope.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        name = f"{prefix}.{node.name}"
        if doc := ast.get_docstring(node):
            yield Entry(name, "" if isinstance(node, ast.ClassDef) else _parameters(node.args), doc)
        if isinstance(node, ast.ClassDef):
            yield from _definitions(name, node)


def _parameters(arguments: ast.arguments) -> str:
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return f"({', '.join(name for name in names if name not in {'self', 'cls'})})"
