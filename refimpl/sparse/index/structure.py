"""Whether the arrays of an index file fit together: a file with correct checksums may still be made by hand."""

import math
from collections.abc import Mapping

import numpy as np

from refimpl.sparse.index.postings import FEW_DOCS, RANKS, UINT16_DOCS

POSTINGS = {"start": "i8", "docs": "u2 i4", "codes": "u2 u4", "impacts": "f8", "best_code": "u2 u4"}
POSTINGS |= {"code_at_rank": "u2 u4", "rows": "f8", "code_rows": "u2 u4", "idf": "f8"}
WORDS = {"term_bytes": "u1", "term_end": "i8", "term_hash": "u8", "term_of_hash": "i8"}
COLUMNS = {"column_term": "i4"}


def check_shapes(arrays: Mapping[str, np.ndarray], n_docs: int, avgdl: float) -> None:
    """Raise ValueError unless names, dtypes, shapes and counts fit together; reads no array."""
    names = POSTINGS | (COLUMNS if "column_term" in arrays else WORDS)
    if arrays.keys() != names.keys():
        raise ValueError(f"expected the arrays {', '.join(names)}, got {', '.join(arrays)[:200]}")
    for name, dtypes in names.items():
        if arrays[name].dtype.str[1:] not in dtypes.split():
            raise ValueError(f"{name} has dtype {arrays[name].dtype}")
    terms, few = len(arrays["idf"]) if arrays["idf"].ndim else -1, n_docs <= FEW_DOCS
    most_docs = UINT16_DOCS if arrays["docs"].dtype == np.uint16 else 1 << 31
    if not 0 <= n_docs <= most_docs or not math.isfinite(avgdl) or avgdl < 0:
        raise ValueError(f"n_docs is {n_docs}, avgdl {avgdl}")
    rows = arrays["rows" if few else "code_rows"]
    postings = arrays["docs"].size
    expected = {"idf": (terms,), "start": (terms + 1,), "best_code": (terms,), "code_at_rank": (len(RANKS), terms)}
    expected |= {"docs": (postings,), "codes": (postings,), "impacts": (arrays["impacts"].size,)}
    expected |= {"rows": (len(rows), n_docs), "code_rows": (0, 0)} if few else {"rows": (0, 0)}
    expected |= {} if few else {"code_rows": (len(rows), n_docs)}
    if "column_term" in arrays:
        expected["column_term"] = (terms,)
    else:
        expected |= {"term_end": (terms,), "term_hash": (terms,), "term_of_hash": (terms,)}
        expected["term_bytes"] = (arrays["term_bytes"].size,)
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} has shape {arrays[name].shape}, expected {shape}")
    if len(rows) > terms:
        raise ValueError(f"{len(rows)} rows of {terms} terms")


def check_values(arrays: Mapping[str, np.ndarray], n_docs: int) -> None:
    """Raise ValueError unless each offset, id and code is in its range; reads every array."""
    codes, terms = len(arrays["impacts"]), len(arrays["idf"])
    _check_offsets("start", arrays["start"], len(arrays["docs"]))
    if len(arrays["start"]) and arrays["start"][0]:
        raise ValueError(f"start begins with {arrays['start'][0]}")
    most = {"docs": n_docs - 1, "codes": codes - 1, "best_code": codes, "code_at_rank": codes, "code_rows": codes}
    if "column_term" in arrays:
        most["column_term"] = terms - 1
    else:
        most["term_of_hash"] = terms - 1
        _check_offsets("term_end", arrays["term_end"], len(arrays["term_bytes"]))
    for name, limit in most.items():
        array = arrays[name]
        if array.size and not (array.min() >= 0 and array.max() <= limit):
            raise ValueError(f"{name} has values of {array.min()} to {array.max()}, expected 0 to {limit}")
    for name in ("idf", "impacts", "rows"):
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} has values that are not finite")


def _check_offsets(name: str, offsets: np.ndarray, end: int) -> None:
    last = int(offsets[-1]) if len(offsets) else 0
    if last != end or (len(offsets) and offsets[0] < 0) or (np.diff(offsets) < 0).any():
        raise ValueError(f"{name} does not rise from 0 to {end}")
