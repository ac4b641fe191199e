"""`refimpl run`, killed at any time and repeated: the results are those of a run that was not killed."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from attacks import Attack, attack

ROOT = Path(__file__).parents[2]
SYSTEMS = "bm25-lucene,milvus-bm25"
DEADLINE_S = 600.0


def dataset(folder: Path) -> str:
    """A BEIR folder with 300 documents of random words."""
    rng = random.Random(0)
    words = [f"word{number}" for number in range(50)]
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"d{n}", "title": "", "text": " ".join(rng.choices(words, k=20))} for n in range(300)]
    queries = [{"_id": f"q{n}", "text": " ".join(rng.choices(words, k=3))} for n in range(20)]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    judged = "".join(f"q{n}\td{rng.randrange(300)}\t1\n" for n in range(20))
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}", encoding="utf-8")
    return f"beir:{folder}"


def start(data: str, out: Path, cache: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-P", "-m", "refimpl", "run", "--dataset", data, "--systems", SYSTEMS, "--quiet"]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "REFIMPL_CACHE": str(cache)}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*command, "--out", str(out)], env=environment, stdout=subprocess.DEVNULL, stderr=pipe, text=True
    )


def answers(out: Path) -> dict[str, object]:
    """What a run found: its TREC runs, and the measures in results.json."""
    found: dict[str, object] = {file.name: file.read_text(encoding="utf-8") for file in out.glob("runs/*.trec")}
    if (out / "results.json").exists():
        systems = json.loads((out / "results.json").read_text(encoding="utf-8"))["systems"]
        found["measures"] = {name: (system["metrics"], system["per_query"]) for name, system in systems.items()}
    return found


@attack
def killed_runs(run: Attack) -> None:
    with tempfile.TemporaryDirectory(prefix="a folder ") as name:
        folder = Path(name)
        data = dataset(folder / "toy")
        began = time.monotonic()
        _, error = (whole := start(data, folder / "whole", folder / "cache")).communicate(timeout=DEADLINE_S)
        seconds = time.monotonic() - began
        if whole.returncode:
            return run.failed(f"the run that is not killed: {error[-300:]}")
        expected = answers(folder / "whole")
        for number, rng in enumerate(run.rounds(0.3)):
            out = folder / f"out {number}"
            killed = start(data, out, folder / f"cache {number}")
            time.sleep(rng.uniform(0.3, 1.0) * seconds)  # before that, it imports
            killed.send_signal(signal.SIGKILL)
            killed.communicate(timeout=DEADLINE_S)
            run.count("kills")
            if wrong := [name for name, found in answers(out).items() if found != expected[name]]:
                run.failed(f"after the kill, {wrong} are neither missing nor whole")
            _, error = (again := start(data, out, folder / f"cache {number}")).communicate(timeout=DEADLINE_S)
            if again.returncode:
                run.failed(f"the run after the kill: {error[-300:]}")
            elif answers(out) != expected:
                run.failed("the run after the kill has other results")
    return None
