"""Tokenizer files on which the tokenizers library panics or aborts are refused; all others are read as by itself."""

import base64
import json
import struct

import pytest
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, processors

from refimpl.common.tokenizer_file import TokenizerFileError, panics_as_errors, read_tokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "##a", "cat"]


@pytest.fixture
def values():
    tokenizer = tokenizers.Tokenizer(models.WordPiece({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding()
    return json.loads(tokenizer.to_str())


def read(tmp_path, values):
    (tmp_path / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    return read_tokenizer(tmp_path / "tokenizer.json")


def charsmap(units, strings=b""):
    """A precompiled map by hand: size of the trie in bytes, its units, the strings of its leaves."""
    return base64.b64encode(struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + strings).decode()


def x_to_y():
    """A double-array trie that maps x to y: the root's child at 'x' has a leaf at its offset 1, which is string 0."""
    units = [0] * 256
    units[ord("x")] = ord("x") | 1 << 8 | 1 << 10
    units[ord("x") ^ 1] = 1 << 31
    return units


def test_a_file_is_read_as_by_the_library(tmp_path, values):
    ours = read(tmp_path, values)
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert ours.to_str() == theirs.to_str()
    (tmp_path / "tokenizer.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(values).encode())
    assert read_tokenizer(tmp_path / "tokenizer.json").to_str() == theirs.to_str()


def test_a_precompiled_map_is_applied(tmp_path, values):
    values["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": charsmap(x_to_y(), b"y\0")}
    assert read(tmp_path, values).normalizer.normalize_str("axb") == "ayb"


def beyond(place, unit):
    units = x_to_y()
    units[place] = unit
    return {"normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap(units, b"y\0")}}


def precompiled(value):
    nested = {"type": "Sequence", "normalizers": [{"type": "Precompiled", "precompiled_charsmap": value}]}
    return {"normalizer": {"type": "Sequence", "normalizers": [nested]}}


def template(**changes):
    special = {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}}
    single = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    parts = {"type": "TemplateProcessing", "single": single, "pair": single, "special_tokens": special}
    return {"post_processor": parts | changes}


PANICS = {
    "a trie beyond its end": beyond(0, 1 << 20 << 10 & 0x7FFFFFFF),
    "a leaf beyond the strings": beyond(ord("x") ^ 1, 1 << 31 | 1000),
    "a charsmap of nothing": precompiled(""),
    "a trie of nothing": precompiled("AAAA"),
    "a trie that is longer than the charsmap": precompiled("BAAAAP////8A"),
    "a charsmap that is a number": precompiled(3),
    "a charsmap that is not base64": precompiled("é"),
    "strings that are not UTF-8": precompiled(charsmap(x_to_y(), b"\xff\0")),
    "an empty pattern": {"normalizer": {"type": "Replace", "pattern": {"String": ""}, "content": "x"}},
    "a length of 0": {"pre_tokenizer": {"type": "FixedLength", "length": 0}},
    "a special token without ids": template(special_tokens={"[CLS]": {"id": "[CLS]", "ids": [], "tokens": []}}),
    "a special token that is not defined": template(special_tokens={}),
    "a second text of one": template(single=[{"Sequence": {"id": "B", "type_id": 0}}]),
    "a padding of terabytes": {"padding": {"strategy": {"Fixed": 10**12}}},
    "a multiple of 0": {"padding": {"strategy": "BatchLongest", "pad_to_multiple_of": 0}},
    "a stride of the length": {"truncation": {"max_length": 8, "stride": 8}},
}


@pytest.mark.parametrize("change", PANICS.values(), ids=PANICS)
def test_what_the_library_panics_at_is_an_error_with_the_files_name(tmp_path, values, change):
    for key, value in change.items():
        known = values.get(key) if key in ("padding", "truncation") else {}
        values[key] = known | value
    with pytest.raises(TokenizerFileError, match=r"tokenizer\.json .*: fetch it again"):
        read(tmp_path, values)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"[" * 100_000, b"\xff", b'{"model": 1e400}', b'{"a": 1, "a": 2}', b"{}"]
)
def test_other_content_is_an_error_with_the_files_name(tmp_path, content):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(TokenizerFileError, match=r"tokenizer\.json .*: fetch it again"):
        read_tokenizer(tmp_path / "tokenizer.json")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json is missing"):
        read_tokenizer(tmp_path / "tokenizer.json")


def test_a_panic_at_a_text_is_an_error_with_the_files_name(tmp_path, values, capfd):
    values["normalizer"] = {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": ""}
    tokenizer = read(tmp_path, values)
    with (
        pytest.raises(TokenizerFileError, match=r"tokenizer\.json cannot be computed by .*retry-limit"),
        panics_as_errors(tmp_path / "tokenizer.json"),
    ):
        tokenizer.encode("a" * 40 + "b")
    assert "panicked" in capfd.readouterr().err


def test_an_unknown_token_that_the_vocabulary_lacks_is_an_error_with_the_files_name(tmp_path, values):
    values["model"]["unk_token"] = "[UNKNOWN]"
    tokenizer = read(tmp_path, values)
    with (
        pytest.raises(TokenizerFileError, match=r"tokenizer\.json cannot be computed by .*Missing \[UNK\] token"),
        panics_as_errors(tmp_path / "tokenizer.json"),
    ):
        tokenizer.encode("unheard")


@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt])
def test_other_errors_pass(tmp_path, raised):
    with pytest.raises(raised), panics_as_errors(tmp_path / "tokenizer.json"):
        raise raised
