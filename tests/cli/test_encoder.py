"""`refimpl embed`, `trace` and `verify` from the command line."""

import subprocess
import sys

import numpy as np
import pytest
from pyarrow import parquet as pq
from safetensors.numpy import load_file, save_file


def refimpl(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "refimpl", *arguments], input=stdin, capture_output=True, check=False)


@pytest.fixture(scope="module")
def expected(minilm32):
    return minilm32(["one", "", "drei ü"])


def test_embed_lines_from_standard_input(tmp_path, expected):
    done = refimpl("embed", "-", "--out", str(tmp_path / "v.npy"), stdin="one\n\ndrei ü\n".encode())
    assert done.returncode == 0, done.stderr
    assert b"3 vectors of 384" in done.stdout
    np.testing.assert_allclose(np.load(tmp_path / "v.npy"), expected, rtol=0, atol=1e-6)


def test_embed_json_lines_by_field(tmp_path, expected):
    (tmp_path / "in.jsonl").write_text('{"body": "one"}\n{"body": ""}\n{"body": "drei \\u00fc"}\n')
    done = refimpl("embed", str(tmp_path / "in.jsonl"), "--field", "body", "--out", str(tmp_path / "v.npy"))
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "v.npy"), expected, rtol=0, atol=1e-6)


def test_embed_to_shards_that_a_second_call_keeps(tmp_path, expected):
    folder, modified = tmp_path / "shards", set()
    for _ in range(2):
        done = refimpl("embed", "-", "--shards", str(folder), stdin="one\n\ndrei ü\n".encode())
        assert done.returncode == 0, done.stderr
        assert b"3 vectors of 384" in done.stdout
        modified.add((folder / "000000.parquet").stat().st_mtime_ns)
    table = pq.read_table(folder / "000000.parquet")
    assert table.column("id").to_pylist() == ["1", "2", "3"]
    assert table.column("text").to_pylist() == ["one", "", "drei ü"]
    np.testing.assert_allclose(np.array(table.column("dense").to_pylist()), expected, rtol=0, atol=1e-6)
    assert len(modified) == 1


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["embed", "/no/such/file", "--out", "v.npy"], b"", "got /no/such/file (No such file or directory)"),
        (["embed", "-", "--out", "{tmp}/v.npy"], b"ok\n\xff\n", "refimpl: -, line 2: not UTF-8"),
        (["embed", "-", "--out", "{tmp}/v.npy", "--format", "jsonl"], b"{}\n", "line 1: expected a str 'text'"),
        (["embed", "-", "--out", "{tmp}/v.npy", "--model", "/no/model"], b"x\n", "/no/model/config.json"),
        (["embed", "-"], b"x\n", "expected one of --out and --shards, got none"),
        (["embed", "-", "--out", "{tmp}/v.npy", "--shards", "{tmp}/s"], b"x\n", "--shards, got both"),
        (["trace", "x", "--layer", "6"], b"", "--layer must be 0 to 5, got 6"),
        (["trace", "x", "--dtype", "int8"], b"", "dtype must be 'float32' or 'float64', got 'int8'"),
    ],
)
def test_errors_are_one_sentence(tmp_path, arguments, stdin, message):
    done = refimpl(*(argument.replace("{tmp}", str(tmp_path)) for argument in arguments), stdin=stdin)
    assert done.returncode in (1, 2)
    assert message in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
    assert not (tmp_path / "v.npy").exists()


def test_trace_prints_a_layer_and_saves_every_intermediate(tmp_path, minilm64):
    saved = tmp_path / "trace.safetensors"
    done = refimpl("trace", "A vector.", "--layer", "3", "--dtype", "float64", "--save", str(saved))
    printed = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    assert "[CLS] a vector . [SEP]" in printed
    assert "layer.3.attention_probs" in printed
    assert "layer.2." not in printed
    arrays = load_file(saved)
    assert len(arrays) == 2 + 5 + 6 * 12 + 2
    np.testing.assert_allclose(arrays["normalized"], minilm64(["A vector."]), rtol=0, atol=1e-14)


def test_verify_fails_on_another_model(tmp_path, minilm_folder):
    for file in ("config.json", "tokenizer.json", "sentence_bert_config.json", "model.safetensors"):
        (tmp_path / file).write_bytes((minilm_folder / file).read_bytes().replace(b"1e-12", b"1e-05"))
    done = refimpl("verify", "--model", str(tmp_path))
    assert done.returncode == 1
    assert b"layer.5.hidden_states" in done.stdout
    assert b"times the 1e-12 allowed" in done.stdout


@pytest.fixture(scope="module")
def tanh_trace(minilm32, tmp_path_factory):
    """A trace as one would save it whose fourth layer has GELU by tanh, and lacks the second layer."""
    intermediates = minilm32.trace("A vector.")
    x = intermediates["layer.3.intermediate_dense"]
    tanh = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    intermediates["layer.3.intermediate"] = (0.5 * x * (1 + tanh)).astype(np.float32)
    file = tmp_path_factory.mktemp("trace") / "other.safetensors"
    kept = {name: value for name, value in intermediates.items() if not name.startswith("layer.1.")}
    save_file({name: np.ascontiguousarray(value) for name, value in kept.items()}, file)
    return file


def test_trace_compare_names_the_first_mismatch_and_fails(tanh_trace, tmp_path):
    page = tmp_path / "trace.html"
    done = refimpl("trace", "A vector.", "--compare", str(tanh_trace), "--html", str(page))
    printed = done.stdout.decode()
    assert done.returncode == 1, done.stderr
    assert "First mismatch: layer.3.intermediate; the 40 compared before it match." in printed
    assert "not in the file" in printed
    assert "First mismatch: layer.3.intermediate" in page.read_text(encoding="utf-8")


def test_trace_compare_accepts_what_it_saved_itself(tmp_path):
    saved = tmp_path / "own.safetensors"
    assert refimpl("trace", "A vector.", "--layer", "0", "--save", str(saved)).returncode == 0
    done = refimpl("trace", "A vector.", "--compare", str(saved), "--layer", "0")
    assert done.returncode == 0, done.stdout
    assert b"All 81 compared stages match." in done.stdout
    other = refimpl("trace", "Another vector.", "--compare", str(saved))
    assert other.returncode == 1
