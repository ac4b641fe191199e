"""`refimpl embed --dask` and `refimpl run --dask` write what they write without it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from refimpl.cli import encoder as encoder
from refimpl.cli import retrieval as retrieval
from refimpl.cli.app import app
from refimpl.evaluate import read_run

TEXTS = {f"d{number}": f"text number {number} about {'vectors' if number % 3 else 'words'}" for number in range(30)}


def refimpl(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def test_embed_writes_the_same_file_and_the_report(client, tmp_path, monkeypatch):
    monkeypatch.setattr("refimpl.dense.stream.TEXTS_AT_A_TIME", 4)
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS.values()))
    dask = ("--dask", client.scheduler.address, "--dask-report", tmp_path / "report.html")
    refimpl("embed", tmp_path / "texts.txt", "--out", tmp_path / "here.npy")
    printed = refimpl("embed", tmp_path / "texts.txt", "--out", tmp_path / "there.npy", *dask)
    assert "30 vectors of 384" in printed
    assert (tmp_path / "there.npy").read_bytes() == (tmp_path / "here.npy").read_bytes()
    assert np.load(tmp_path / "here.npy").shape == (30, 384)
    assert "Dask Performance Report" in (tmp_path / "report.html").read_text()


def test_embed_writes_the_same_shards(client, tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS.values()))
    refimpl("embed", tmp_path / "texts.txt", "--shards", tmp_path / "here")
    refimpl("embed", tmp_path / "texts.txt", "--shards", tmp_path / "there", "--dask", client.scheduler.address)
    for file in ("000000.parquet", "manifest.json"):
        assert (tmp_path / "there" / file).read_bytes() == (tmp_path / "here" / file).read_bytes()


def test_a_report_without_a_cluster_is_refused(tmp_path):
    arguments = ["embed", "-", "--out", str(tmp_path / "v.npy"), "--dask-report", str(tmp_path / "report.html")]
    done = CliRunner().invoke(app, arguments, input="text")
    assert done.exit_code == 2
    assert "--dask-report needs --dask" in done.output


def test_what_is_no_address_is_one_sentence(tmp_path):
    command = ["embed", "-", "--out", str(tmp_path / "v.npy"), "--dask", "nonsense"]
    done = subprocess.run(
        [sys.executable, "-m", "refimpl", *command], input="text", capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    message = "refimpl: expected the address of a Dask scheduler, tcp://HOST:PORT, or 'local', got 'nonsense'"
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def beir(tmp_path) -> Path:
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    rows = [json.dumps({"_id": key, "title": "", "text": text}) for key, text in TEXTS.items()]
    (folder / "corpus.jsonl").write_text("\n".join(rows) + "\n")
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q1", "text": "words and number 7"}) + "\n")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td7\t1\n")
    return folder


def test_run_writes_the_same_shards_hits_and_validations(client, beir, minilm_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("REFIMPL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REFIMPL_MODEL_DIR", str(minilm_folder.parent))
    monkeypatch.setattr("refimpl.search.encoding.ROWS", 8)
    arguments = ["run", "--dataset", f"beir:{beir}", "--systems", "dense,bm25-lucene,hybrid-rrf", "--quiet"]
    refimpl(*arguments, "--out", tmp_path / "here")
    refimpl(*arguments, "--out", tmp_path / "there", "--dask", client.scheduler.address)
    here, there = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("here", "there"))
    assert there["verdicts"] == here["verdicts"]
    assert all(validation["passed"] for validation in there["verdicts"])
    assert {name: one["metrics"] for name, one in there["systems"].items()} == {
        name: one["metrics"] for name, one in here["systems"].items()
    }
    assert read_run(tmp_path / "there/runs/dense.trec") == read_run(tmp_path / "here/runs/dense.trec")
    files = {name: sorted((tmp_path / name / "shards").rglob("*.*")) for name in ("here", "there")}
    assert [file.name for file in files["there"]] == [*(f"{n:06d}.parquet" for n in range(4)), "manifest.json"]
    assert [file.read_bytes() for file in files["there"]] == [file.read_bytes() for file in files["here"]]
    encoded = [timing for timing in there["timings"] if timing["stage"] == "encode documents"]
    assert [(timing["items"], timing["seconds"] > 0) for timing in encoded] == [(30, True)] * 3
    assert not re.search(r"skipped.: [1-9]", json.dumps(encoded))
