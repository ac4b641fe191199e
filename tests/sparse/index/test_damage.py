"""A damaged index file gives an error, never other hits; a count in it is never believed."""

import json
import tracemalloc

import numpy as np
import pytest

from refimpl.sparse.index.index import BM25Index
from refimpl.sparse.index.postings import Postings
from refimpl.sparse.index.storage import ArrayFile, IndexFileError, write_arrays

DOCS = [["a", "b"], ["b", "c", "c"], [], ["a", "d"], ["b"], ["e", "a", "b"]]
QUERIES = [["a"], ["b", "c"], ["d", "e"], ["unknown"]]


def hits(index):
    return [each.tolist() for each in index.search(QUERIES, 3)]


@pytest.fixture(params=[8192, 2], ids=["rows of scores", "rows of codes"])
def path(request, tmp_path, monkeypatch):
    for module in ("postings", "search", "structure"):
        monkeypatch.setattr(f"refimpl.sparse.index.{module}.FEW_DOCS", request.param)
    BM25Index.from_tokens(DOCS).save(tmp_path / "index.bm25")
    return tmp_path / "index.bm25"


def test_every_changed_byte_is_an_error_that_names_the_file(path):
    content, expected = path.read_bytes(), hits(BM25Index.load(path))
    for place in range(len(content)):
        changed = bytes([content[place] ^ 1 << place % 8])
        path.write_bytes(content[:place] + changed + content[place + 1 :])
        with pytest.raises(IndexFileError, match=r"index\.bm25"):
            hits(BM25Index.load(path))
        with pytest.raises(IndexFileError, match=r"index\.bm25"):
            BM25Index.load(path, verify=True)
    path.write_bytes(content)
    assert hits(BM25Index.load(path, verify=True)) == expected


def test_bytes_inserted_appended_removed_or_doubled_are_an_error(path):
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    for changed in (
        content + bytes(100),
        content + b"\n",
        content[:start] + b"\0" + content[start:],
        content[:start] + bytes(8) + content[start:],
        content[: start - 1] + content[start:],
        content[:-1],
        content + content,
    ):
        path.write_bytes(changed)
        with pytest.raises(IndexFileError, match=r"index\.bm25 is not an index, or damaged"):
            BM25Index.load(path)


def test_arrays_are_verified_once_at_the_first_search_and_before_a_save(path, monkeypatch):
    verified = []
    monkeypatch.setattr(ArrayFile, "verify", lambda self: verified.append(self.path))
    index = BM25Index.load(path)
    assert verified == []
    hits(index)
    hits(index)
    assert verified == [path]
    BM25Index.load(path).save(path.with_name("copy"))
    assert verified == [path, path]
    BM25Index.load(path, verify=True)
    assert len(verified) == 3


def test_a_damaged_index_is_not_saved_with_new_checksums(path):
    content = bytearray(path.read_bytes())
    at = 8 + int.from_bytes(content[:8], "little")
    content[at + 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(IndexFileError, match="differs from its checksum"):
        BM25Index.load(path).save(path.with_name("copy"))
    assert not path.with_name("copy").exists()


def rewritten(path, change):
    """A file with correct checksums and other content."""
    stored = ArrayFile(path)
    arrays = {name: array.copy() for name, array in stored.arrays.items()}
    metadata = dict(stored.metadata)
    change(arrays, metadata)
    del stored
    write_arrays(path, arrays, metadata)


COUNTS = {"n_docs": ["-5", "7", "1000000000", "99999999999999999999", "1e3", "x", "٦"], "avgdl": ["nan", "-1", "inf"]}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in COUNTS for value in COUNTS[name]])
def test_a_count_is_validated_before_anything_is_allocated(path, name, value):
    rewritten(path, lambda arrays, metadata: metadata.update({name: value}))
    tracemalloc.start()
    try:
        with pytest.raises(IndexFileError, match=r"index\.bm25: missing or damaged"):
            BM25Index.load(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def replace(name, change):
    def changed(arrays, metadata):
        arrays[name] = change(arrays[name])

    return changed


OUT_OF_RANGE = {
    "docs": lambda a: a + 3,
    "codes": lambda a: a + len(DOCS),
    "start": lambda a: a[::-1].copy(),
    "best_code": lambda a: a + 60_000,
    "code_at_rank": lambda a: a + 60_000,
    "term_end": lambda a: a * 2,
    "term_of_hash": lambda a: a - 1,
    "impacts": lambda a: a * np.nan,
    "idf": lambda a: a / 0.0,
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_values_out_of_range_are_an_error_also_with_correct_checksums(path, name):
    rewritten(path, replace(name, OUT_OF_RANGE[name]))
    with pytest.raises(IndexFileError, match=rf"index\.bm25: damaged: {name} "):
        BM25Index.load(path, verify=True)


@pytest.mark.parametrize("name", [*sorted(Postings.__dataclass_fields__), "idf", "term_hash", "term_bytes"])
def test_shapes_and_dtypes_that_do_not_fit_are_an_error(path, name):
    content = path.read_bytes()
    rewritten(path, lambda arrays, metadata: arrays.pop(name))
    with pytest.raises(IndexFileError, match="expected the arrays"):
        BM25Index.load(path)
    path.write_bytes(content)
    rewritten(path, replace(name, lambda a: a.astype(np.uint32 if a.dtype.kind == "f" else np.float64)))
    with pytest.raises(IndexFileError, match="has dtype"):
        hits(BM25Index.load(path))


HEADERS = {
    "a shape of 100,000 dimensions": lambda header: header["idf"].update(shape=[1] * 100_000),
    "a negative shape": lambda header: header["idf"].update(shape=[-5]),
    "an offset that is no number": lambda header: header["idf"].update(data_offsets=["0", "40"]),
    "overlapping arrays": lambda header: header["start"].update(header["idf"]),
    "a dtype that is unknown": lambda header: header["idf"].update(dtype="C64"),
    "an entry that is no object": lambda header: header.update(idf=3),
    "metadata that is no object": lambda header: header.update(__metadata__=[]),
}


@pytest.mark.parametrize("change", HEADERS.values(), ids=HEADERS)
def test_a_header_made_by_hand_is_an_error(path, change):
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + content[8 + length :])
    with pytest.raises(IndexFileError, match=r"index\.bm25 is not an index, or damaged"):
        BM25Index.load(path)


def test_k_is_bounded_by_the_documents_or_milvus_limit():
    index = BM25Index.from_tokens([["a"], ["b"]])
    assert index.search([["a"]], 16_384)[0][0, :2].tolist() == [0, -1]
    for k in (16_385, 10**9, 10**30):
        with pytest.raises(ValueError, match=f"k must be at most 16384 for 2 documents, got {k}"):
            index.search([["a"]], k)
    many = BM25Index.from_tokens([["a"]] * 20_000)
    assert many.search([["a"]], 20_000)[0][0, -1] == 19_999


def test_a_count_of_documents_without_terms_takes_no_memory(path):
    """It fits its arrays, since only documents with a term are in them."""
    expected = hits(BM25Index.load(path))

    def change(arrays, metadata):
        metadata["n_docs"] = str(10**9)
        arrays["docs"] = arrays["docs"].astype(np.int32)
        arrays["rows"], arrays["code_rows"] = np.empty((0, 0)), np.empty((0, 10**9), arrays["codes"].dtype)

    rewritten(path, change)
    index = BM25Index.load(path)
    tracemalloc.start()
    try:
        assert hits(index) == expected
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
