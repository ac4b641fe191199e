"""Test collections: a BEIR folder, an `ir_datasets` id, or the documentation of the installed Python packages."""

from pathlib import Path

from refimpl.datasets.base import BadLine, Dataset, DatasetError, Document, Qrels, fingerprint

__all__ = ["BadLine", "Dataset", "DatasetError", "Document", "Qrels", "fingerprint", "open_dataset"]


def open_dataset(name: str, *, split: str = "test", skip_bad: bool = False) -> Dataset:
    """The collection called `beir:PATH`, `ir:ID`, `python-docs` or `python-docs:PACKAGE,PACKAGE,...`.

    `split` chooses a BEIR folder's judgements. A malformed line raises DatasetError unless `skip_bad`;
    an unknown form of name is a DatasetError too.
    """
    kind, _, rest = name.partition(":")
    if kind == "beir" and rest:
        from refimpl.datasets.beir import BeirFolder

        return BeirFolder(Path(rest), split=split, skip_bad=skip_bad)
    if kind == "ir" and rest:
        from refimpl.datasets.ir import IrDataset

        return IrDataset(rest, skip_bad=skip_bad)
    if kind == "python-docs":
        from refimpl.datasets.python_docs import PythonDocs

        return PythonDocs(tuple(rest.split(",")) if rest else ())
    raise DatasetError(f"data set {name!r} is none of beir:PATH, ir:ID, python-docs")
