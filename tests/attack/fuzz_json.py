"""Coverage-guided fuzzing of the JSON reader, the .npy reader behind it, and bm25.json; see fuzzing.py."""

import json
import sys
import tempfile
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

with atheris.instrument_imports(include=["refimpl", "json"]):
    from refimpl.common.array_files import ArrayFileError, parse_npy
    from refimpl.common.json_reader import JsonError, parse_json
    from refimpl.sparse.bm25.parameters import BM25FileError, read_parameters

from fuzzing import fuzz  # noqa: E402

FILE = Path(tempfile.mkdtemp()) / "fuzzed"


class OneError(Exception):
    pass


def read(data: bytes) -> None:
    """The first byte chooses the reader; what JSON accepts is compared with Python's parser."""
    kind, content = data[:1], data[1:]
    try:
        if kind == b"n":
            parse_npy(content, "fuzzed")
        elif kind == b"b":
            FILE.write_bytes(content)
            read_parameters(FILE)
        else:
            assert parse_json(content, "fuzzed") == json.loads(content.decode("utf-8-sig"))
    except (JsonError, ArrayFileError, BM25FileError) as error:
        raise OneError(str(error)) from error


NPY = (
    b"n\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
    + b" " * 58
    + b"\n"
    + bytes(24)
)
BM25 = (
    b'b{"version": "v1", "corpus_size": 3, "avgdl": 2.0, "idf_word": ["a"], "idf_value": [0.5], "k1": 1.5, "b": 0.75,'
    b' "epsilon": 0.25, "df": [1], "n_docs": 3, "n_empty": 0, "total_len": 6, "variant": "lucene", "checksum": ""}'
)
fuzz(read, OneError, "fuzzed", [b'j{"a": [1, -2.5e3, "x\\ud83d\\ude00"], "b": null}', b"j[[[]]]", NPY, BM25])
