"""Damaged weight files and absurd configurations: each is an error that names it."""

import json
import os
import resource
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save
from weight_files import CONFIG, QUERY, safetensors, tensors, write

from refimpl.bert.config import BertConfig
from refimpl.bert.files import WeightsError
from refimpl.bert.weights import BertWeights

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_missing_file_is_reported_with_the_contents_of_a_model_folder(tmp_path: Path, file: str) -> None:
    write(tmp_path)
    (tmp_path / file).unlink()
    message = rf"{file} is missing: a model folder holds config\.json, model\.safetensors and tokenizer\.json"
    with pytest.raises(FileNotFoundError, match=message):
        BertWeights.load(tmp_path)


WHOLE = save(tensors())
ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
BROKEN = {
    "empty": b"",
    "seven bytes": WHOLE[:7],
    "cut in its header": WHOLE[:100],
    "cut by one byte": WHOLE[:-1],
    "one byte too many": WHOLE + b"\0",
    "header length of 2**64 - 1": b"\xff" * 8 + WHOLE[8:],
    "header length of 99 MB": struct.pack("<Q", 99_000_000) + WHOLE[8:],
    "header length one short": struct.pack("<Q", struct.unpack("<Q", WHOLE[:8])[0] - 1) + WHOLE[8:],
    "zeros": bytes(4096),
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:53aa\nsize 90868376\n",
    "a web page": b"<!DOCTYPE html><html><body>Sign in to continue</body></html>",
    "a list": safetensors([]),
    "nested without end": safetensors(b"[" * 5000),
    "no tensors": safetensors({}),
    "a shape of 4 TB": safetensors({"a": {**ONE, "shape": [10**12]}}, bytes(4)),
    "a shape beyond 64 bits": safetensors({"a": {**ONE, "shape": [2**62, 4]}}, bytes(4)),
    "an empty tensor of 2**62 columns": safetensors({"a": {**ONE, "shape": [0, 2**62], "data_offsets": [0, 0]}}),
    "a negative shape": safetensors({"a": {**ONE, "shape": [-1]}}, bytes(4)),
    "offsets beyond the file": safetensors({"a": {**ONE, "data_offsets": [0, 10**12]}}, bytes(4)),
    "offsets backwards": safetensors({"a": {**ONE, "data_offsets": [4, 0]}}, bytes(4)),
    "two tensors in one place": safetensors({"a": ONE, "b": ONE}, bytes(4)),
    "an 8-bit float": safetensors({"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}, bytes(4)),
    "a dtype that is none": safetensors({"a": {**ONE, "dtype": "F33"}}, bytes(4)),
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_an_error_that_names_it(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(WeightsError, match=r"model\.safetensors") as message:
        BertWeights.load(write(tmp_path, raw))
    assert len(str(message.value)) < 500


def test_a_file_cut_short_asks_for_a_new_download(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"is not a whole safetensors file \(.+\): fetch it again$"):
        BertWeights.load(write(tmp_path, WHOLE[: len(WHOLE) // 2]))


LIMITED = """
import resource, sys
from refimpl.bert.weights import BertWeights, WeightsError
import numpy
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for folder in sys.argv[1:]:
    try:
        BertWeights.load(folder)
    except WeightsError:
        continue
    sys.exit(f"{folder} was accepted")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_no_broken_file_or_absurd_configuration_allocates_by_its_sizes(tmp_path: Path) -> None:
    folders = [write(tmp_path / str(i), raw) for i, raw in enumerate(BROKEN.values())]
    sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size", "max_position_embeddings")
    folders += [write(tmp_path / name, **{name: 2**31 - 1}) for name in sizes]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *map(str, folders)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30)),
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    grown_kib = int(done.stdout)
    assert grown_kib < 32 * 1024


ABSURD = [
    *[{name: value} for name in ("vocab_size", "hidden_size", "num_attention_heads") for value in (0, -1, 1.5, "8")],
    {"vocab_size": 2**31},
    *[{name: value} for name in ("num_hidden_layers", "type_vocab_size") for value in (None, True, [8], {}, 2**70)],
    *[{"layer_norm_eps": value} for value in (None, "1e-12", 0, 1, -1e-12, float("nan"), float("inf"), True, [1])],
    *[{"hidden_act": value} for value in (None, "swish2", ["gelu"], {}, 3)],
    {"pad_token_id": -1},
    {"num_attention_heads": 3},
    {"position_embedding_type": "relative_key"},
    {"is_decoder": True},
]


@pytest.mark.parametrize("config", ABSURD, ids=str)
def test_an_absurd_configuration_is_named(tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match=f"{next(iter(config))}|is not a JSON number"):
        BertWeights.load(write(tmp_path, **config))


@pytest.mark.parametrize("kind", ["electra", "gpt2", "deberta-v2", "", None])
def test_another_architecture_is_refused_by_its_name(tmp_path: Path, kind: str | None) -> None:
    with pytest.raises(WeightsError, match=rf"model_type is {kind!r}, and this encoder computes"):
        BertWeights.load(write(tmp_path, model_type=kind))


def test_missing_fields_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": 11, "hidden_size": 8}))
    with pytest.raises(WeightsError, match=r"lacks num_hidden_layers, num_attention_heads, .*hidden_act$"):
        BertConfig.load(tmp_path)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[1]", b"null", b"\xff\xfe{", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"],
    ids=lambda r: r[:8],
)
def test_a_configuration_that_is_not_a_json_object_is_reported(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "config.json").write_bytes(raw)
    with pytest.raises(WeightsError, match=r"config\.json (is not valid JSON|must hold a JSON object)"):
        BertConfig.load(tmp_path)


ANYTHING = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def loads_or_raises(folder: Path) -> None:
    """Weights of the right shape, or a WeightsError."""
    try:
        weights = BertWeights.load(folder)
    except WeightsError:
        return
    assert all(np.isfinite(weights[name]).all() for name in weights)
    assert weights[QUERY].shape == (8, 8)


@ANYTHING
@given(data=st.data())
def test_changed_bytes_are_an_error_or_other_numbers(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(WHOLE)
    header_end = 8 + struct.unpack("<Q", WHOLE[:8])[0]
    for place in data.draw(st.lists(st.integers(0, header_end - 1) | st.integers(0, len(WHOLE) - 1), max_size=4)):
        raw[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)) | st.just(len(raw)))
    loads_or_raises(write(tmp_path, bytes(raw[:cut])))


@ANYTHING
@given(header=st.binary(max_size=200), data=st.binary(max_size=50), length=st.none() | st.integers(0, 2**64 - 1))
def test_any_bytes_are_an_error(tmp_path: Path, header: bytes, data: bytes, length: int | None) -> None:
    raw = safetensors(header, data) if length is None else struct.pack("<Q", length) + header + data
    with pytest.raises(WeightsError):
        BertWeights.load(write(tmp_path, raw))


NUMBERS = st.integers() | st.sampled_from([0, 1, 4, 8, 2**31, 2**63, 2**64])
ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "BF16", "F64", "I64", "U8", "F8_E5M2"]) | st.text(max_size=4),
        "shape": st.lists(NUMBERS, max_size=4) | NUMBERS,
        "data_offsets": st.lists(NUMBERS, max_size=3) | st.none(),
    }
)


@ANYTHING
@given(header=st.dictionaries(st.sampled_from([QUERY, "a", "__metadata__"]) | st.text(max_size=5), ENTRY, max_size=3))
def test_any_header_of_the_right_form_is_an_error(tmp_path: Path, header: dict[str, Any]) -> None:
    with pytest.raises(WeightsError):
        BertWeights.load(write(tmp_path, safetensors(header, bytes(8))))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@ANYTHING
@given(name=st.sampled_from([*CONFIG, "pad_token_id", "position_embedding_type", "is_decoder"]), value=JSON)
def test_any_value_in_the_configuration_is_an_error_or_harmless(tmp_path: Path, name: str, value: object) -> None:
    loads_or_raises(write(tmp_path, **{name: value}))
