"""Damaged files: each answer is that of the undamaged file, or one documented error that names the file.

Files with a checksum are compared with the undamaged one. For the others the truth about damaged bytes is another
reader's: Python's JSON parser, numpy, the safetensors library, the tokenizers library, or a line read by hand.
"""

import dataclasses
import hashlib
import io
import json
import random
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import tokenizers
from attacks import Attack, attack
from mutations import mutated
from tokenizers import models as token_models
from tokenizers import pre_tokenizers, processors

from refimpl import models
from refimpl.bert.files import WeightsError, read_json
from refimpl.bert.torch_files import map_torch
from refimpl.common.array_files import ArrayFileError, parse_npy
from refimpl.common.json_reader import JsonError, parse_json
from refimpl.common.tensors import TensorFileError, map_tensors
from refimpl.common.tokenizer_file import TokenizerFileError, panics_as_errors, read_tokenizer
from refimpl.datasets import DatasetError, open_dataset
from refimpl.evaluate import read_run
from refimpl.search.cache import EmbeddingCache, _read
from refimpl.search.fields import DenseField, SparseField
from refimpl.search.plan import Encoder
from refimpl.search.saved_run import IndexMissingError, SavedRun, save
from refimpl.sparse.bm25.bm25 import BM25EmbeddingFunction
from refimpl.sparse.bm25.parameters import BM25FileError, read_parameters
from refimpl.sparse.index.index import BM25Index
from refimpl.sparse.index.storage import IndexFileError

Answer = Any
DOCS = [["a", "b"], ["b", "c", "c"], [], ["a", "d"], ["b"]]
WORDS = ["[UNK]", "[CLS]", "[SEP]", "a", "b", "##a", "cat"]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of file: how its undamaged content is read, the one error of its reader, and the truth about others.

    `truth(content)` is None where only the undamaged content has an answer.
    """

    file: Path
    read: Callable[[Path], Answer]
    error: type[Exception]
    truth: Callable[[bytes], Answer] | None = None
    name: str = ""

    def attack(self, run: Attack, rng: random.Random, number: int) -> None:
        content = self.file.read_bytes()
        expected = self.read(self.file)
        for _ in range(number):
            damaged = mutated(rng, content)
            self.file.write_bytes(damaged)
            run.count("inputs")
            if problem := self._problem(damaged, expected):
                run.failed(f"{self.name or self.file.name}: {problem}")
        self.file.write_bytes(content)

    def _problem(self, damaged: bytes, expected: Answer) -> str:
        try:
            answer = self.read(self.file)
        except self.error as error:
            return "" if self.file.name in str(error) else f"{error!r:.200} does not name the file"
        except BaseException as error:
            return f"{type(error).__name__}, expected {self.error.__name__}: {error!s:.200}"
        if answer == expected:
            return ""
        if self.truth is None:
            return f"another answer than the undamaged file's: {answer!r:.200}"
        try:
            truth = self.truth(damaged)
        except Exception as error:
            return f"an answer, where the other reader has {error!r:.200}: {answer!r:.100}"
        return "" if answer == truth else f"got {answer!r:.150}, expected {truth!r:.150}"


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="damaged files ") as name:
        yield Path(name)


def arrays(tensors: dict[str, np.ndarray]) -> Answer:
    return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in tensors.items()}


# --- files with a checksum


def index_file(here: Path) -> Kind:
    def hits(file: Path) -> Answer:
        return [each.tolist() for each in BM25Index.load(file).search([["a"], ["b", "c"]], 3)]

    BM25Index.from_tokens(DOCS).save(here / "index.bm25")
    return Kind(here / "index.bm25", hits, IndexFileError)


def bm25_json(here: Path) -> Kind:
    BM25EmbeddingFunction(str.split, [" ".join(doc) for doc in DOCS], variant="lucene").save(here / "bm25.json")

    def read(file: Path) -> Answer:
        values = vars(read_parameters(file)).copy()
        statistics = vars(values.pop("statistics"))
        return repr((values, statistics))

    return Kind(here / "bm25.json", read, BM25FileError)


def index_json(here: Path) -> Kind:
    fields = [Encoder(DenseField("dense", 3), None, {}), Encoder(SparseField("bm25"), None, {})]
    save(here, "c", fields, ["dense", "hybrid"], {"depth": 10, "max_length": 256}, "http://h:1")
    return Kind(here / "index.json", lambda file: SavedRun.open(file.parent), IndexMissingError)


def cached_vectors(here: Path) -> Kind:
    cache = EmbeddingCache({"m": 1}, here)
    cache.encode(lambda texts: np.arange(2 * len(texts), dtype=np.float32).reshape(-1, 2), ["a", "b"])
    (file,) = cache.folder.glob("*.npz")

    def read(file: Path) -> Answer:
        hashes, vectors = _read(file)
        return hashes, arrays({"": vectors})

    return Kind(file, read, ArrayFileError, name="cached vectors")


STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ"
REBUILT = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"K\x00K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\n"
PICKLED = b"\x80\x02}X\x06\x00\x00\x00weight" + REBUILT + b"OrderedDict\n)RtRs."
"""What torch.save writes for {"weight": FloatTensor of shape (2, 3)}."""


def torch_archive(pickled: bytes = PICKLED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in (
            ("data.pkl", pickled),
            ("byteorder", b"little"),
            ("data/0", struct.pack("<6f", *range(6))),
        ):
            zipped.writestr(zipfile.ZipInfo(f"archive/{name}"), content)
    return buffer.getvalue()


def torch_file(here: Path) -> Kind:
    (here / "pytorch_model.bin").write_bytes(torch_archive())
    return Kind(here / "pytorch_model.bin", lambda file: arrays(map_torch(file)), WeightsError)


def unpacked_data(here: Path) -> Kind:
    with zipfile.ZipFile(here / "words.zip", "w") as zipped:
        zipped.writestr("words/english", "a\nthe\nof\n")
    models.unpack(here / "words.zip", here)
    published = {"words.zip": hashlib.sha256((here / "words.zip").read_bytes()).hexdigest()}
    source = models.Source(published, models.Wheel("none", "0", ""), unpack=("words.zip",))

    def read(file: Path) -> Answer:
        models.SOURCES["attacked"] = source
        try:
            models.verify("attacked", here)
        finally:
            del models.SOURCES["attacked"]
        return file.read_bytes()

    return Kind(here / "words" / "english", read, models.ModelCorruptError)


CHECKSUMMED = (index_file, bm25_json, index_json, cached_vectors, torch_file, unpacked_data)


@attack
def damaged_files_with_a_checksum(run: Attack) -> None:
    with folder() as here:
        kinds = []
        for number, kind in enumerate(CHECKSUMMED):
            (here / str(number)).mkdir()
            kinds.append(kind(here / str(number)))
        for rng in run.rounds(10):
            for kind in kinds:
                kind.attack(run, rng, 100)


# --- files of others


def model_settings(here: Path) -> Kind:
    values = {"hidden_size": 384, "layer_norm_eps": 1e-12, "names": ["a", {"é": None}], "big": 10**30, "ok": True}
    (here / "config.json").write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
    return Kind(here / "config.json", read_json, WeightsError, lambda content: json.loads(content.decode("utf-8-sig")))


def json_bytes(here: Path) -> Kind:
    (here / "results.json").write_text(json.dumps([{"a": [1.5, -2, "x\u2028\\"]}] * 3, indent=1), encoding="utf-8")

    def read(file: Path) -> Answer:
        return parse_json(file.read_bytes(), file.name)

    return Kind(here / "results.json", read, JsonError, lambda content: json.loads(content.decode("utf-8-sig")))


def npy_file(here: Path) -> Kind:
    np.save(here / "vectors.npy", np.arange(6, dtype="<i4").reshape(2, 3))

    def read(file: Path) -> Answer:
        return arrays({"": parse_npy(file.read_bytes(), file.name)})

    return Kind(here / "vectors.npy", read, ArrayFileError, lambda content: arrays({"": np.load(io.BytesIO(content))}))


def safetensors_file(here: Path) -> Kind:
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(3)}
    safetensors.numpy.save_file(tensors, here / "model.safetensors")

    def read(file: Path) -> Answer:
        return arrays(map_tensors(file, ("F32", "I64", "I32", "F64")))

    return Kind(
        here / "model.safetensors", read, TensorFileError, lambda content: arrays(safetensors.numpy.load(content))
    )


def trec_run(here: Path) -> Kind:
    (here / "run.trec").write_text("q1 Q0 d1 1 2.5 t\nq1 Q0 d2 2 -1e-3 t\nq2 Q0 é 1 7 t\n", encoding="utf-8")

    def by_hand(content: bytes) -> Answer:
        run: dict[str, dict[str, float]] = {}
        for line in content.decode("utf-8-sig").split("\n"):
            if fields := line.split():
                run.setdefault(fields[0], {})[fields[2]] = float(fields[4])
        return run

    return Kind(here / "run.trec", read_run, ValueError, by_hand)


def beir_corpus(here: Path) -> Kind:
    rows = [{"_id": "d1", "title": "T", "text": "one"}, {"_id": "é", "text": "two \\ \u2028"}]
    (here / "corpus.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    (here / "queries.jsonl").write_text('{"_id": "q1", "text": "first?"}\n', encoding="utf-8")
    (here / "qrels").mkdir()
    (here / "qrels" / "test.tsv").write_text("q1\td1\t2\n", encoding="utf-8")

    def read(file: Path) -> Answer:
        return [(document.id, document.text) for document in open_dataset(f"beir:{here}").documents()]

    def by_hand(content: bytes) -> Answer:
        rows = [json.loads(line) for line in content.decode("utf-8-sig").split("\n") if line.strip()]
        return [(row["_id"], f"{row.get('title') or ''} {row['text']}".strip()) for row in rows]

    return Kind(here / "corpus.jsonl", read, DatasetError, by_hand)


def beir_qrels(here: Path) -> Kind:
    beir_corpus(here)
    file = here / "qrels" / "test.tsv"
    file.write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\té\t-1\n", encoding="utf-8")

    def by_hand(content: bytes) -> Answer:
        qrels: dict[str, dict[str, int]] = {}
        lines = [line.rstrip("\r") for line in content.decode("utf-8-sig").split("\n")]
        for number, line in enumerate(lines):
            if line.strip() and not (number == 0 and line == "query-id\tcorpus-id\tscore"):
                query_id, doc_id, score = line.split("\t")
                qrels.setdefault(query_id, {})[doc_id] = int(score)
        return qrels

    return Kind(file, lambda file: open_dataset(f"beir:{here}").qrels(), DatasetError, by_hand)


FOREIGN = (model_settings, json_bytes, npy_file, safetensors_file, trec_run, beir_corpus, beir_qrels)


@attack
def damaged_files_of_others(run: Attack) -> None:
    with folder() as here:
        kinds = []
        for number, kind in enumerate(FOREIGN):
            (here / str(number)).mkdir()
            kinds.append(kind(here / str(number)))
        for rng in run.rounds(10):
            for kind in kinds:
                kind.attack(run, rng, 80)


@attack
def damaged_descriptions_in_torch_files(run: Attack) -> None:
    """With correct CRCs: an error, or numbers of the file (another shape, name or place is a valid description)."""
    with folder() as here:
        file = here / "pytorch_model.bin"
        for rng in run.rounds(10):
            for _ in range(100):
                file.write_bytes(torch_archive(mutated(rng, PICKLED)))
                run.count("inputs")
                try:
                    read = map_torch(file)
                except WeightsError as error:
                    if file.name not in str(error):
                        run.failed(f"{error!r:.200} does not name the file")
                except BaseException as error:
                    run.failed(f"{type(error).__name__}: {error!s:.200}")
                else:
                    if any(tensor.nbytes > 24 for tensor in read.values()):
                        run.failed("more numbers than the file has")


def tokenizer_json() -> bytes:
    tokenizer = tokenizers.Tokenizer(token_models.WordPiece({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return tokenizer.to_str().encode()


@attack
def damaged_tokenizers(run: Attack) -> None:
    """An error, or the library's own tokens."""

    def tokens(tokenizer: tokenizers.Tokenizer, file: Path) -> Answer:
        with panics_as_errors(file):
            tokenizer.no_padding()
            return [encoding.tokens for encoding in tokenizer.encode_batch(["a cat", "aab", ("a", "b")])]

    def library(content: bytes) -> Answer:
        return tokens(tokenizers.Tokenizer.from_str(content.decode("utf-8-sig")), Path("tokenizer.json"))

    def read(file: Path) -> Answer:
        return tokens(read_tokenizer(file), file)

    with folder() as here:
        file = here / "tokenizer.json"
        file.write_bytes(tokenizer_json())
        kind = Kind(file, read, TokenizerFileError, library)
        for rng in run.rounds(10):
            kind.attack(run, rng, 20)
