"""Folders of slow tokenizers, without tokenizer.json, against the ids of transformers."""

import json
from pathlib import Path
from typing import Any

import pytest

from refimpl.tokens import Tokenizer

_PIECES = "[PAD] [UNK] [CLS] [SEP] [MASK] <s> </s> <pad> <unk> <mask> mars is red creme the planet fox ##s crème RED"
PIECES = [*_PIECES.split(" "), "##es", "Mars", "火", "星", "火星", ",", ".", "[X]", "new", "<new>", "a", "##a"]
CHARACTERS = [*"abcdefghijklmnopqrstuvwxyzMARSRED", "Ġ", "Ã", "¨", ",", "."]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>", "[X]"]
MERGES = [("i", "s"), ("Ġ", "is"), ("r", "e"), ("Ġ", "re"), ("Ġre", "d"), ("m", "a")]
BYTE_PAIRS = [*SPECIAL, *CHARACTERS, *("".join(pair) for pair in MERGES)]
TEXTS = [
    "Mars is RED, crème foxs",
    "火星 red.",
    "a [MASK] <mask> is <s> [X] newred mars",
    "",
    "qqq ##s  planetes\tred\u0300",
]
WORD_PIECE: dict[str, str] = {"vocab.txt": "\n".join(PIECES) + "\n"}
BPE: dict[str, str] = {
    "vocab.json": json.dumps({piece: i for i, piece in enumerate(BYTE_PAIRS)}),
    "merges.txt": "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in MERGES),
}
NEW = {"content": "new", "lstrip": False, "rstrip": False, "normalized": True, "single_word": False}
ADDED = {"special_tokens_map.json": json.dumps({"additional_special_tokens": ["[X]"]})}
OPTIONS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {}),
    ({"do_lower_case": False}, {}),
    ({"strip_accents": False}, {}),
    ({"strip_accents": True, "do_lower_case": False}, {}),
    ({"tokenize_chinese_chars": False}, {}),
    ({"never_split": ["RED"], "do_basic_tokenize": False}, {}),
    ({"additional_special_tokens": ["[X]"]}, {}),
    ({"unk_token": "[X]"}, {}),
    ({"add_bos_token": True, "bos_token": "[X]"}, {}),
    ({"added_tokens_decoder": {"27": NEW, "70": {**NEW, "content": "qqq", "special": True}}}, {}),
    ({}, ADDED),
    ({}, {"added_tokens.json": json.dumps({"qqq": 70})}),
]
BPE_OPTIONS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {}),
    ({"add_prefix_space": True}, {}),
    ({"add_bos_token": False, "add_eos_token": True}, {}),
    ({"add_bos_token": True, "add_eos_token": True, "bos_token": "<s>"}, {}),
    ({"add_bos_token": True}, {}),
    ({"additional_special_tokens": ["[X]"]}, {}),
    ({"eos_token": "[X]", "add_eos_token": True}, {}),
    ({"added_tokens_decoder": {"6": {**NEW, "content": "[X]", "special": True}}}, {}),
]
MODELS = [
    *(({"model_type": kind}, WORD_PIECE, OPTIONS) for kind in ("bert", "distilbert", "mpnet", "nomic_bert")),
    ({"model_type": "bert", "tokenizer_class": "DistilBertTokenizer"}, WORD_PIECE, OPTIONS),
    *(({"model_type": kind}, BPE, BPE_OPTIONS) for kind in ("roberta", "qwen3")),
]


def folder_of(folder: Path, config: Any, files: dict[str, str], options: dict[str, Any] | None = None) -> Path:
    folder.mkdir()
    contents = {**files, "config.json": json.dumps({"max_position_embeddings": 40, **config})}
    if options is not None:
        contents["tokenizer_config.json"] = json.dumps(options)
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


@pytest.mark.peer
@pytest.mark.parametrize(("config", "files", "options"), MODELS, ids=lambda value: str(value)[:60])
def test_ids_are_those_of_transformers(tmp_path, config, files, options):
    from transformers import AutoTokenizer

    for i, (keys, more) in enumerate(options):
        for published in (keys, {**keys, "truncation_side": "left", "model_max_length": 7}):
            folder = folder_of(tmp_path / f"{i}_{len(published)}", config, files | more, published)
            peer = AutoTokenizer.from_pretrained(str(folder))
            ours = Tokenizer(folder)
            for text in TEXTS:
                expected = peer(text, truncation=True, max_length=ours.max_length)
                tokens = ours([text])
                assert tokens.input_ids.tolist() == expected["input_ids"], (published, text)
                pairs = ours.pairs([text], TEXTS[:1])
                expected = peer(text, TEXTS[0], truncation=True, max_length=ours.max_length)
                assert pairs.input_ids.tolist() == expected["input_ids"], (published, text)
                types = expected.get("token_type_ids", [0] * len(pairs.input_ids))
                assert pairs.token_type_ids.tolist() == types, (published, text)


def test_ids_of_vocab_txt_are_the_lines_of_its_pieces(tmp_path):
    folder = folder_of(tmp_path / "bert", {"model_type": "bert"}, WORD_PIECE)
    tokens = Tokenizer(folder)(["Mars is RED", "crème foxs 火星"])
    cls, sep = PIECES.index("[CLS]"), PIECES.index("[SEP]")
    first = [cls, *map(PIECES.index, ["mars", "is", "red"]), sep]
    second = [cls, *map(PIECES.index, ["creme", "fox", "##s", "火", "星"]), sep]
    assert tokens.input_ids.tolist() == first + second
    cased = folder_of(tmp_path / "cased", {"model_type": "bert"}, WORD_PIECE, {"do_lower_case": False})
    assert Tokenizer(cased)(["Mars RED"]).input_ids.tolist() == [cls, PIECES.index("Mars"), PIECES.index("RED"), sep]


def test_a_long_text_that_is_truncated_on_the_left_keeps_its_end(tmp_path):
    keys = {"truncation_side": "left", "model_max_length": 7}
    folder = folder_of(tmp_path / "bert", {"model_type": "bert"}, WORD_PIECE, keys)
    tokens = Tokenizer(folder)(["a " * 10_000 + "is red"])
    assert tokens.input_ids.tolist() == list(map(PIECES.index, ["[CLS]", "a", "a", "a", "is", "red", "[SEP]"]))


@pytest.mark.parametrize("listing", ["modules.json", "router_config.json"])
def test_the_length_of_a_module_is_that_of_sentence_transformers(tmp_path, listing):
    files = {**WORD_PIECE, "sentence_bert_config.json": '{"max_seq_length": 5}'}
    folder = folder_of(tmp_path / "bert", {"model_type": "bert"}, files, {"model_max_length": 9})
    assert Tokenizer(folder).max_length == 9
    (tmp_path / listing).write_text("[]")
    assert Tokenizer(folder).max_length == 5


def test_ids_of_vocab_json_are_those_of_its_merges(tmp_path):
    folder = folder_of(tmp_path / "roberta", {"model_type": "roberta"}, BPE)
    pieces = ["<s>", "ma", "r", "s", "Ġis", "Ġred", "</s>"]
    assert Tokenizer(folder)(["mars is red"]).input_ids.tolist() == list(map(BYTE_PAIRS.index, pieces))
    ends = {"add_eos_token": True}
    qwen = folder_of(tmp_path / "qwen", {"model_type": "qwen3"}, BPE, ends)
    expected = list(map(BYTE_PAIRS.index, ["ma", "r", "s", "Ġis", "<|endoftext|>"]))
    assert Tokenizer(qwen)(["mars is"]).input_ids.tolist() == expected


SENTENCEPIECE = {"sentencepiece.bpe.model": "x"}


@pytest.mark.parametrize(
    ("kind", "files", "message"),
    [
        ("xlm-roberta", SENTENCEPIECE, "expected tokenizer.json, got sentencepiece.bpe.model"),
        ("albert", {"spiece.model": "x"}, "expected tokenizer.json, got spiece.model"),
        ("t5", {"spiece.model": "x"}, "expected tokenizer.json, got spiece.model"),
        ("gemma3_text", {"tokenizer.model": "x"}, "expected tokenizer.json, got tokenizer.model"),
        ("modernbert", BPE, "expected tokenizer.json, got merges.txt, vocab.json"),
        ("bert", {}, "expected vocab.txt, got no vocabulary"),
        ("bert", BPE, "expected vocab.txt, got merges.txt, vocab.json"),
        ("roberta", {"vocab.json": "{}"}, "expected vocab.json and merges.txt, got vocab.json"),
        ("roberta", WORD_PIECE, "expected vocab.json and merges.txt, got vocab.txt"),
    ],
)
def test_a_folder_without_the_vocabulary_of_its_class_is_refused_by_file_name(tmp_path, kind, files, message):
    folder = folder_of(tmp_path / kind, {"model_type": kind}, files, {})
    with pytest.raises(FileNotFoundError, match=rf"tokenizer\.json is missing: {message}"):
        Tokenizer(folder)


@pytest.mark.parametrize(
    ("kind", "files", "options", "message"),
    [
        ("roberta", {**BPE, "merges.txt": "#version: 0.2\ni z\n"}, {}, "vocab.json is not a tokenizer"),
        ("roberta", {**BPE, "vocab.json": "["}, {}, "vocab.json is not a tokenizer"),
        ("bert", {"vocab.txt": "mars\n"}, {"add_eos_token": 1}, "expected add_eos_token true or false, got 1"),
    ],
)
def test_an_invalid_vocabulary_is_refused_by_file_name(tmp_path, kind, files, options, message):
    folder = folder_of(tmp_path / kind, {"model_type": kind}, files, options)
    with pytest.raises(ValueError, match=message):
        Tokenizer(folder)
