"""A process that forks a child per write, which SIGKILLs itself at the nth step of the write, or is killed at a time.

Reads `{kind, folder, version, at, after_ms}` per line of standard input, and answers `{signal, steps}`. A step is the
call or the return of a function of C that opens, writes, flushes, renames or removes files.
"""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from refimpl import models
from refimpl.check.result import Case, CaseResult, CheckResult, Status, SuiteResult
from refimpl.cli import check_output
from refimpl.common.atomic import folder_atomically, write_atomically
from refimpl.common.hashing import sha256
from refimpl.dense.stream import embed_stream
from refimpl.evaluate import write_run
from refimpl.models import download, revisions
from refimpl.search import results, saved_run
from refimpl.search.cache import EmbeddingCache
from refimpl.search.fields import SparseField
from refimpl.search.plan import Encoder
from refimpl.search.records import SearchResults
from refimpl.sparse import BM25EmbeddingFunction, BM25Index

FILE_CALLS = {
    *("open", "write", "writelines", "flush", "fsync", "close", "truncate", "seek", "copyfileobj", "sendfile"),
    *("rename", "replace", "unlink", "remove", "mkdir", "rmdir", "chmod", "fchmod", "flock", "listdir", "scandir"),
}
KINDS: dict[str, Callable[[Path, int], object]] = {}


def kind(write: Callable[[Path, int], object]) -> Callable[[Path, int], object]:
    KINDS[write.__name__] = write
    return write


def corpus(version: int) -> list[str]:
    return [f"a{number % 7} b{number % (5 + version)} c{version} d" for number in range(40)]


class Ones:
    dim = 4

    def encode_documents(self, documents: list[str]) -> np.ndarray:
        return np.array([[len(text), 1, 2, ord(text[-1])] for text in documents], np.float32)


@kind
def small_file(folder: Path, version: int) -> None:
    write_atomically(folder / "file", f"version {version}")


@kind
def large_file(folder: Path, version: int) -> None:
    write_atomically(folder / "file", bytes([version]) * 3_000_000)


@kind
def whole_folder(folder: Path, version: int) -> None:
    if version and not (folder / "new").exists():
        with folder_atomically(folder / "new") as new:
            for name in ("a", "b", "c"):
                write_atomically(new / name, name * 100)


@kind
def embedded_vectors(folder: Path, version: int) -> None:
    embed_stream(Ones(), iter([f"text {number} {version}" for number in range(50 + version)]), folder / "vectors.npy")


@kind
def bm25_json(folder: Path, version: int) -> None:
    BM25EmbeddingFunction(str.split, corpus(version), variant="lucene").save(folder / "bm25.json")


@kind
def bm25_index(folder: Path, version: int) -> None:
    BM25Index.build(corpus(version), analyzer=str.split).save(folder / "bm25.index")


@kind
def trec_run(folder: Path, version: int) -> None:
    write_run({"q": {f"d{number}": number + version / 2 for number in range(50)}}, folder / "run.trec", "tag")


@kind
def results_of_a_run(folder: Path, version: int) -> None:
    ranked = {name: SearchResults([["d1", "d2"]], [[2.0 + version, 1.0]]) for name in ("dense", "bm25")}
    result = SimpleNamespace(ranked=ranked, dataset=SimpleNamespace(queries={"q": "text"}))
    results.write({"systems": {"dense": version, "bm25": 0}}, result, folder)  # type: ignore[arg-type]


@kind
def index_of_a_run(folder: Path, version: int) -> None:
    function = BM25EmbeddingFunction(str.split, corpus(version), variant="lucene")
    encoder = Encoder(SparseField("bm25"), function, {}, fit=function.fit)
    saved_run.save(folder, f"refimpl_{version:016x}", [encoder], ["bm25"], {"version": version}, "m.db")


@kind
def cached_vectors(folder: Path, version: int) -> None:
    cache = EmbeddingCache({"model": "m"}, folder)
    cache.encode(Ones().encode_documents, [f"text {number}" for number in range(300 * (version + 1))])


@kind
def outputs_of_a_check(folder: Path, version: int) -> None:
    case = CaseResult("s", Case("c", "why"), Status.failed, f"message {version}" * 50, 2.0)
    outcome = CheckResult("target", "float32", (SuiteResult("s", "about", (case,), "a cause", 1.0),), 1.0)
    check_output.write(outcome, folder / "a.json", folder / "a.xml", folder / "a.html")


@kind
def forced_download(folder: Path, version: int) -> None:
    os.environ["REFIMPL_CACHE"] = str(folder)
    contents = {"config.json": b"{}", "model.safetensors": b"weights" * 100, "1_Pooling/config.json": b"[]"}
    hashes = {}

    def fill(staging: Path, name: str, source: models.Source) -> None:
        for file, content in contents.items():
            (staging / file).parent.mkdir(parents=True, exist_ok=True)
            (staging / file).write_bytes(content)
            hashes[file] = sha256(staging / file)

    models.SOURCES["toy"] = models.Source(files=hashes, wheel=models.Wheel("none", "1", ""))
    download._fill = fill
    download.fetch("toy", force=True)


@kind
def recorded_revision(folder: Path, version: int) -> None:
    os.environ["REFIMPL_CACHE"] = str(folder)
    revisions.record("owner/name", f"{version}" * 40)


def run_killed(write: Callable[[], object], at: int) -> int:
    """Run `write`, and SIGKILL this process at step `at`; return the number of steps where there are fewer."""
    steps = 0

    def step(frame: object, event: str, function: object) -> None:
        nonlocal steps
        if not event.startswith("c_") or getattr(function, "__name__", "") not in FILE_CALLS:
            return
        if steps == at:
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1

    sys.setprofile(step)
    try:
        write()
    finally:
        sys.setprofile(None)
    return steps


def child(order: dict, pipe: int) -> None:
    write, folder, version = KINDS[order["kind"]], Path(order["folder"]), order["version"]
    if order.get("after_ms") is not None:
        os.write(pipe, b"0")  # the time begins
        while True:
            write(folder, version)
            write(folder, 1 - version)
    steps = run_killed(lambda: write(folder, version), order["at"])
    os.write(pipe, str(steps).encode())


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            status = 1
            try:
                child(order, writing)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(writing)
        steps = os.read(reading, 20)
        if order.get("after_ms") is not None:
            time.sleep(order["after_ms"] / 1000)
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        os.close(reading)
        ended = -os.waitstatus_to_exitcode(status)
        print(json.dumps({"signal": ended, "steps": int(steps or b"0")}), flush=True)


if __name__ == "__main__":
    main()
