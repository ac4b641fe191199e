"""Test collections: BEIR folders, `ir_datasets` ids, and the documentation of the installed Python packages.

`KINDS` is the registry; a new kind of data set is one entry and the module that its factory imports.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from refimpl.datasets.base import BadLine, Dataset, DatasetError, Document, Qrels, fingerprint

__all__ = [
    "KINDS",
    "BadLine",
    "Dataset",
    "DatasetError",
    "DatasetKind",
    "Document",
    "Options",
    "Qrels",
    "fingerprint",
    "names_of_datasets",
    "open_dataset",
]


@dataclass(frozen=True)
class Options:
    """`split` selects the qrels of a BEIR folder; a malformed line is an error unless `skip_bad`."""

    split: str = "test"
    skip_bad: bool = False


@dataclass(frozen=True)
class DatasetKind:
    """A kind of data set: its factory, the form of its argument after the kind's name, one line of help."""

    factory: Callable[[str, Options], Dataset]
    argument: str
    help: str

    def accepts(self, argument: str) -> bool:
        """Whether the argument is present where it is required; a form in brackets is optional."""
        return bool(argument) or self.argument.startswith("[")


def _beir(folder: str, options: Options) -> Dataset:
    from refimpl.datasets.beir import BeirFolder

    return BeirFolder(Path(folder), split=options.split, skip_bad=options.skip_bad)


def _ir(dataset_id: str, options: Options) -> Dataset:
    from refimpl.datasets.ir import IrDataset

    return IrDataset(dataset_id, skip_bad=options.skip_bad)


def _python_docs(packages: str, _: Options) -> Dataset:
    from refimpl.datasets.python_docs import PythonDocs

    return PythonDocs(tuple(packages.split(",")) if packages else ())


KINDS: dict[str, DatasetKind] = {
    "beir": DatasetKind(_beir, ":PATH", "a BEIR folder"),
    "ir": DatasetKind(_ir, ":ID", "a data set of ir_datasets"),
    "python-docs": DatasetKind(_python_docs, "[:NAMES]", "docstrings of packages, by import names"),
}


def names_of_datasets() -> str:
    """The forms that `open_dataset` accepts, comma-separated, for help texts and messages."""
    return ", ".join(f"{kind}{entry.argument}" for kind, entry in KINDS.items())


def open_dataset(name: str, *, split: str = "test", skip_bad: bool = False) -> Dataset:
    """The data set called `beir:PATH`, `ir:ID`, `python-docs` or `python-docs:PACKAGE,PACKAGE,...`.

    `split` selects the qrels of a BEIR folder. A malformed line raises DatasetError unless `skip_bad`, and so does
    another form of name.
    """
    kind, _, argument = name.partition(":")
    if kind not in KINDS or not KINDS[kind].accepts(argument):
        raise DatasetError(f"expected a data set of the form {names_of_datasets()}, got {name!r}")
    return KINDS[kind].factory(argument, Options(split, skip_bad))
