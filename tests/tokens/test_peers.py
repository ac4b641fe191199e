"""Token ids of generated folders against transformers 5: every tokenizer class, every key, drawn combinations."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.tokens import Tokenizer

TEXTS = [
    "",
    "Crème brûlée, Mars is RED. 火星是红色的 naïve",
    "the quick brown fox jumps over the lazy dog again and again and again",
    " two  spaces <extra> [X] İstanbul ``quoted'' don't",
    "[MASK] <mask> the </s> end",
]
_WORDS = "the quick brown fox jumps over lazy dog again and mars is red ##d ##s 火 星 , . ' creme crème a b c e r m"
PIECES = _WORDS.split(" ")
WORDPIECE = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "<pad>", "</s>", "<mask>")


def vocabulary(first: tuple[str, ...], pieces: list[str]) -> dict[str, int]:
    return {piece: i for i, piece in enumerate(dict.fromkeys([*first, *pieces]))}


def unigram(first: tuple[str, ...]) -> list[tuple[str, float]]:
    letters = sorted({letter for text in TEXTS for letter in text.lower() + text})
    pieces = ["▁", *(f"▁{piece}" for piece in PIECES), *PIECES, *letters]
    return [(piece, -float(i % 7 + 1)) for i, piece in enumerate(dict.fromkeys([*first, *pieces]))]


def byte_pairs() -> dict[str, Any]:
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("Ġ", "t"), ("r", "e"), ("re", "d")]
    vocab = vocabulary(("<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"), [*letters, *map("".join, merges)])
    return {"vocab": vocab, "merges": merges}


def made(name: str) -> Any:
    """A small tokenizer of a class of transformers."""
    import transformers

    xlmr = ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED")
    arguments: dict[str, dict[str, Any]] = {
        "BertTokenizer": {"vocab": vocabulary(WORDPIECE, PIECES)},
        "DistilBertTokenizer": {"vocab": vocabulary(WORDPIECE, PIECES)},
        "MPNetTokenizer": {"vocab": vocabulary(WORDPIECE, PIECES)},
        "RobertaTokenizer": byte_pairs(),
        "Qwen2Tokenizer": byte_pairs(),
        "XLMRobertaTokenizer": {"vocab": unigram(xlmr)},
        "CamembertTokenizer": {"vocab": unigram(xlmr)},
        "AlbertTokenizer": {"vocab": unigram(("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"))},
        "T5Tokenizer": {"vocab": unigram(("<pad>", "</s>", "<unk>", *(f"<extra_id_{i}>" for i in range(100))))},
    }
    return getattr(transformers, name)(**arguments[name], model_max_length=14)


CLASSES = (
    "BertTokenizer",
    "DistilBertTokenizer",
    "MPNetTokenizer",
    "RobertaTokenizer",
    "Qwen2Tokenizer",
    "XLMRobertaTokenizer",
    "CamembertTokenizer",
    "AlbertTokenizer",
    "T5Tokenizer",
)
MARS = {"__type": "AddedToken", "content": "Mars", "lstrip": True}
VALUES: dict[str, list[Any]] = {
    "do_lower_case": [True, False],
    "strip_accents": [True, False, None],
    "tokenize_chinese_chars": [True, False],
    "add_prefix_space": [True, False],
    "keep_accents": [True, False],
    "truncation_side": ["left", "right"],
    "padding_side": ["left", "right"],
    "model_max_length": [7, 9, 14],
    "additional_special_tokens": [
        ["<extra>"],
        ["[X]", "fox"],
        [MARS],
    ],
    "extra_special_tokens": [["<extra>"], {"x_token": "[X]"}],
    "model_input_names": [["input_ids", "attention_mask"], ["input_ids", "token_type_ids", "attention_mask"]],
    "mask_token": ["<mask>", "[MASK]", "fox"],
    "image_token": ["quick"],
    "clean_up_tokenization_spaces": [True, False],
    "tokenizer_class": ["TokenizersBackend", "PreTrainedTokenizerFast"],
    "max_length": [3],
    "stride": [1],
    "truncation_strategy": ["only_first"],
}
TRUNCATION = {"direction": "Left", "max_length": 5, "strategy": "LongestFirst", "stride": 0}
NORMALIZERS = [None, {"type": "Lowercase"}, {"type": "Sequence", "normalizers": [{"type": "NFC"}]}]


def change(folder: Path, keys: dict[str, Any], parts: dict[str, Any]) -> None:
    for name, changes in (("tokenizer_config.json", keys), ("tokenizer.json", parts)):
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(json.dumps(content | changes), encoding="utf-8")


def assert_equal(folder: Path, first: str) -> None:
    """Texts, and pairs, against AutoTokenizer."""
    from transformers import AutoTokenizer

    peer = AutoTokenizer.from_pretrained(folder)
    ours = Tokenizer(folder)
    for text in TEXTS:
        expected = peer(text, truncation="longest_first")
        assert ours([text]).input_ids.tolist() == expected["input_ids"], (first, text)
        pair = peer([(text, TEXTS[2])], truncation="longest_first")
        actual = ours.pairs([text], [TEXTS[2]])
        assert actual.input_ids.tolist() == pair["input_ids"][0], (first, text)
        types = pair.get("token_type_ids", [[0] * len(actual.input_ids)])[0]
        assert actual.token_type_ids.tolist() == types, (first, text)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder per class, saved by transformers."""
    saved = {}
    for name in CLASSES:
        saved[name] = tmp_path_factory.mktemp(name)
        made(name).save_pretrained(saved[name])
    return saved


def copied(source: Path, target: Path) -> Path:
    for file in source.glob("*.json"):
        (target / file.name).write_bytes(file.read_bytes())
    return target


@pytest.mark.peer
@pytest.mark.parametrize("name", CLASSES)
def test_each_value_of_each_key_gives_the_ids_of_transformers(name, folders, tmp_path):
    folder = copied(folders[name], tmp_path)
    assert_equal(folder, name)
    for key, values in VALUES.items():
        for value in values:
            copied(folders[name], folder)
            change(folder, {key: value}, {})
            assert_equal(folder, f"{key}={value}")
    for parts in ({"truncation": TRUNCATION}, *({"normalizer": normalizer} for normalizer in NORMALIZERS)):
        copied(folders[name], folder)
        change(folder, {}, parts)
        assert_equal(folder, str(parts))


@pytest.mark.peer
@settings(max_examples=60, derandomize=True, deadline=None)
@given(data=st.data())
def test_drawn_combinations_give_the_ids_of_transformers(folders, tmp_path_factory, data):
    name = data.draw(st.sampled_from(CLASSES))
    keys = data.draw(st.fixed_dictionaries({}, optional={key: st.sampled_from(VALUES[key]) for key in VALUES}))
    if "extra_special_tokens" in keys:  # its former name is refused beside it
        keys.pop("additional_special_tokens", None)
    parts = data.draw(
        st.fixed_dictionaries(
            {}, optional={"truncation": st.just(TRUNCATION), "normalizer": st.sampled_from(NORMALIZERS)}
        )
    )
    folder = copied(folders[name], tmp_path_factory.mktemp("drawn"))
    change(folder, keys, parts)
    assert_equal(folder, f"{name} {keys} {parts}")
