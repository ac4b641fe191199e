"""Coverage-guided fuzzing of index files, with correct checksums in half of the inputs; see fuzzing.py."""

import hashlib
import sys
import tempfile
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

with atheris.instrument_imports(include=["refimpl"]):
    from refimpl.common.json_reader import parse_json
    from refimpl.sparse.index.index import BM25Index
    from refimpl.sparse.index.storage import IndexFileError, _checked_entries

from fuzzing import fuzz  # noqa: E402

FILE = Path(tempfile.mkdtemp()) / "fuzzed"
DOCS = [["a", "b"], ["b", "c", "c"], [], ["a", "d"], ["b"]]


def with_checksums(content: bytes) -> bytes:
    """`content` with the checksums that it should have, if its header can be read."""
    start = 8 + int.from_bytes(content[:8], "little")
    try:
        header = parse_json(content[8:start], "header")
        header.pop("__metadata__", None)
        entries = _checked_entries(header, len(content) - start)
        ends = [at for _, _, at in entries.values()][1:]
        begins = [0, *ends[:-1]]
        digests = [hashlib.sha256(content[:start]).digest()]
        digests += [hashlib.sha256(content[start + a : start + b]).digest() for a, b in zip(begins, ends, strict=True)]
        return content[: start + ends[-1]] + b"".join(digests)
    except Exception:
        return content


def read(data: bytes) -> None:
    """An index with correct checksums and other values must give an error or search within its documents."""
    FILE.write_bytes(with_checksums(data[1:]) if data[:1] > b"\x80" else data[1:])
    index = BM25Index.load(FILE)
    ids, _ = index.search([["a"], ["b", "c"], ["d"]], 3)
    assert ids.max() < index.n_docs


BM25Index.from_tokens(DOCS).save(FILE)
fuzz(read, IndexFileError, "fuzzed", [b"\x00" + FILE.read_bytes(), b"\xff" + FILE.read_bytes()])
