import inspect
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl import models
from refimpl.tokens import Tokenizer, Tokens

CLS, SEP, UNK = 101, 102, 100
KINDS = {
    "empty": "",
    "spaces": " \t\n\r　",
    "one letter": "a",
    "accents": "Crème Brûlée — naïve façade, ŞİŞLİ, Ærøskøbing",
    "decomposed accents": "Creme\u0301 Bru\u0302le\u0301e",
    "cjk": "東京都に住んでいます。中文字符和한국어 텍스트",
    "emoji": "👩‍👩‍👧‍👦 says 👍🏽 to 🇩🇪",
    "right to left": "שלום עולם مرحبا بالعالم",
    "unknown": "🜁 𓀀 ꙮ",
    "special tokens in the text": "[CLS] hello [SEP] [PAD] [MASK] [UNK]",
    "controls": "a\x00b\x07c\u200bd\ufeffe\ufffdf\u202eg",
    "long word": "x" * 150,
    "punctuation": "don't... $12.50 (e-mail: a.b@c.de)!?¿",
    "digits": "3.14159 ٣ ³ ⅷ １２",
    "capitals": "İSTANBUL STRASSE ẞ ǅ ΑΣ",
    "astral": "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟘𝟙 \U0010ffff",
}


@pytest.fixture(scope="module")
def minilm() -> Tokenizer:
    return Tokenizer(models.path("all-MiniLM-L6-v2"))


def ids_of(tokens: Tokens, text: int = 0) -> list[int]:
    start = tokens.starts[text]
    return [int(i) for i in tokens.input_ids[start : start + tokens.lengths[text]]]


# Known ids: bert-base-uncased's vocabulary, as the paper's repository publishes it


def test_known_ids(minilm: Tokenizer) -> None:
    tokens = minilm(["hello world", "", "Unaffable"])
    assert [ids_of(tokens, i) for i in range(3)] == [[CLS, 7592, 2088, SEP], [CLS, SEP], [CLS, 14477, 20961, 3468, SEP]]
    assert tokens.lengths.tolist() == [4, 2, 5]
    assert not tokens.truncated.any()
    assert not tokens.token_type_ids.any()
    assert minilm.tokens_of("Unaffable") == ["[CLS]", "una", "##ffa", "##ble", "[SEP]"]


def test_case_and_accents_are_stripped(minilm: Tokenizer) -> None:
    tokens = minilm(["CRÈME brûlée", "creme brulee", "Cre\u0300me Bru\u0302le\u0301e"])
    assert ids_of(tokens, 0) == ids_of(tokens, 1) == ids_of(tokens, 2)


def test_a_word_beyond_a_hundred_letters_is_unknown(minilm: Tokenizer) -> None:
    tokens = minilm(["x" * 100, "x" * 101])
    assert UNK not in ids_of(tokens, 0)
    assert ids_of(tokens, 1) == [CLS, UNK, SEP]


# Truncation


@pytest.mark.parametrize(("words", "length", "truncated"), [(253, 255, False), (254, 256, False), (255, 256, True)])
def test_truncation_at_256_minus_one_at_and_plus_one(
    minilm: Tokenizer, words: int, length: int, truncated: bool
) -> None:
    tokens = minilm(["a " * words])
    assert tokens.lengths.tolist() == [length]
    assert tokens.truncated.tolist() == [truncated]
    assert ids_of(tokens)[-1] == SEP, "[SEP] stays last when a text is truncated"
    assert minilm.max_length == 256


@pytest.mark.parametrize(("words", "length"), [(125, 127), (126, 128), (127, 129), (128, 130)])
def test_the_128_in_tokenizer_json_is_ignored(minilm: Tokenizer, words: int, length: int) -> None:
    published = json.loads((models.path("all-MiniLM-L6-v2") / "tokenizer.json").read_text(encoding="utf-8"))
    assert published["truncation"]["max_length"] == 128, "the file truncates too early"
    assert published["padding"]["strategy"] == {"Fixed": 128}
    tokens = minilm(["a " * words, "a"])
    assert tokens.lengths.tolist() == [length, 3]
    assert not tokens.truncated.any()


@pytest.mark.parametrize(("words", "length", "truncated"), [(125, 127, False), (126, 128, False), (127, 128, True)])
def test_truncation_is_configurable(words: int, length: int, truncated: bool) -> None:
    tokens = Tokenizer(models.path("all-MiniLM-L6-v2"), max_length=128)(["a " * words])
    assert (tokens.lengths.tolist(), tokens.truncated.tolist()) == ([length], [truncated])


def test_truncation_is_reported_per_text(minilm: Tokenizer) -> None:
    tokens = minilm(["short", "a " * 300, "", "b " * 254, "b " * 255])
    assert tokens.truncated.tolist() == [False, True, False, False, True]


def test_the_shortest_length_holds_one_word_piece() -> None:
    assert ids_of(Tokenizer(models.path("all-MiniLM-L6-v2"), max_length=3)(["hello world"])) == [CLS, 7592, SEP]


@pytest.mark.parametrize("max_length", [2, 1, 0, -5, 2**31, 2**70])
def test_a_length_without_room_for_text_is_an_error(max_length: int) -> None:
    with pytest.raises(ValueError, match=rf"max_length must be an integer over 2, .*special tokens, got {max_length}$"):
        Tokenizer(models.path("all-MiniLM-L6-v2"), max_length)


@pytest.mark.parametrize("max_length", ["256", 256.0, True])
def test_a_length_of_another_type_is_an_error(max_length: Any) -> None:
    make: Any = inspect.unwrap(Tokenizer.__init__)  # without beartype, which would raise its own error first
    with pytest.raises(ValueError, match=r"max_length must be an integer"):
        make(object.__new__(Tokenizer), models.path("all-MiniLM-L6-v2"), max_length)


# The folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copy(models.path("splade-tiny") / "tokenizer.json", tmp_path)).parent


def write_json(folder: Path, **files: object) -> None:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def test_the_published_length_is_sentence_transformers_before_the_position_table(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a maximum length in .*, got none: give max_length"):
        Tokenizer(folder)
    assert Tokenizer(folder, 7).max_length == 7
    write_json(folder, config={"max_position_embeddings": 64})
    assert Tokenizer(folder).max_length == 64
    write_json(folder, sentence_bert_config={"max_seq_length": 32})
    assert Tokenizer(folder).max_length == 64, "sentence-transformers reads it only beside a modules.json"
    write_json(folder, modules=[])
    assert Tokenizer(folder).max_length == 32
    write_json(folder, sentence_bert_config={"max_seq_length": None})
    assert Tokenizer(folder).max_length == 64


def test_the_length_stays_within_the_positions_that_the_model_has(folder: Path) -> None:
    """RoBERTa's position table has 514 rows for 512 tokens; transformers writes 1e30 for no limit."""
    write_json(folder, config={"max_position_embeddings": 514})
    assert Tokenizer(folder, positions=512).max_length == 512
    write_json(folder, tokenizer_config={"model_max_length": 384})
    assert Tokenizer(folder, positions=512).max_length == 384
    write_json(folder, tokenizer_config={"model_max_length": int(1e30)})
    assert Tokenizer(folder, positions=512).max_length == 512
    with pytest.raises(ValueError, match="max_length must be at most 512, the model's positions, got 513"):
        Tokenizer(folder, 513, positions=512)


@pytest.mark.parametrize("pad", ["<pad>", "[PAD]", {"content": "<pad>", "lstrip": False}, None])
def test_the_padding_id_is_that_of_the_folders_padding_token(tmp_path: Path, pad: object) -> None:
    from tokenizers import Tokenizer as Library
    from tokenizers import models as kinds

    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, "[PAD]": 3, "fox": 4}
    Library(kinds.WordLevel(vocabulary, unk_token="<s>")).save(str(tmp_path / "tokenizer.json"))
    write_json(tmp_path, tokenizer_config={"pad_token": pad, "cls_token": "<s>", "eos_token": "gone"})
    tokenizer = Tokenizer(tmp_path, 8)
    assert tokenizer(["fox", ""]).pad_token_id == (1 if pad not in ("[PAD]", None) else 3)
    assert tokenizer(["fox", ""]).padded().input_ids[1, 0] == tokenizer.pad_token_id
    assert tokenizer.special_id("cls_token") == 0
    assert tokenizer.special_id("mask_token") is None
    assert tokenizer.special_id("eos_token") == 5, "transformers adds a special token that the vocabulary lacks"


def test_lowercase_precedes_the_models_own_normalizer(tmp_path: Path) -> None:
    from tokenizers import Tokenizer as Library
    from tokenizers import models as kinds

    Library(kinds.WordLevel({"<unk>": 0, "fox": 1}, unk_token="<unk>")).save(str(tmp_path / "tokenizer.json"))
    assert ids_of(Tokenizer(tmp_path, 8)(["FOX"])) == [0]
    assert ids_of(Tokenizer(tmp_path, 8, lowercase=True)(["FOX"])) == [1]


def test_prompt_length_excludes_the_closing_token(minilm: Tokenizer) -> None:
    assert minilm.prompt_length("hello world") == 3
    assert minilm.prompt_length("") == 1


@pytest.mark.parametrize("length", [True, "64", 64.0, [64], {}])
def test_a_length_that_is_no_integer_is_ignored(folder: Path, length: object) -> None:
    write_json(folder, config={"max_position_embeddings": length})
    with pytest.raises(ValueError, match=r"expected a maximum length in .*, got none"):
        Tokenizer(folder)


def test_a_configuration_that_is_not_json_is_named(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is not valid JSON"):
        Tokenizer(folder)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"version": "1.0"}'])
def test_a_broken_tokenizer_is_named(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(raw)
    faults = "is not valid JSON|is not a tokenizer|cannot be computed"
    with pytest.raises(ValueError, match=rf"tokenizer\.json ({faults}).+: fetch it again"):
        Tokenizer(tmp_path, 16)


def test_a_missing_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json is missing: expected .*, got no vocabulary"):
        Tokenizer(tmp_path, 16)


# Input validation


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", r"texts must be a list of str, got one str: wrap it in a list, \['one text'\]"),
        (b"bytes", "texts must be a list of str, got bytes: decode it first"),
        (None, "texts must be a list of str, got NoneType: leave missing texts out, or give '' for an empty one"),
        (7, "texts must be a list of str, got int"),
        (["a", None], r"texts\[1\] must be a str, got NoneType"),
        (["a", "b", b"c"], r"texts\[2\] must be a str, got bytes: decode it first"),
        ([["a"]], r"texts\[0\] must be a str, got list"),
    ],
)
def test_anything_but_a_list_of_str_is_a_type_error_with_a_remedy(minilm: Tokenizer, texts: Any, message: str) -> None:
    call: Any = inspect.unwrap(Tokenizer.__call__)
    with pytest.raises(TypeError, match=message):
        call(minilm, texts)


@pytest.mark.parametrize("surrogate", [0xD800, 0xDFFF])
def test_a_lone_surrogate_is_an_error_with_its_text_and_position(minilm: Tokenizer, surrogate: int) -> None:
    bad = ["fine", f"caf{chr(surrogate)}"]
    with pytest.raises(
        ValueError, match=r"^texts\[1\] must be Unicode text, got a lone surrogate .* at position 3: rep"
    ):
        minilm(bad)
    with pytest.raises(ValueError, match=r"^firsts\[1\] must be Unicode text"):
        minilm.pairs(bad, ["a", "b"])
    with pytest.raises(ValueError, match=r"^seconds\[1\] must be Unicode text"):
        minilm.pairs(["a", "b"], bad)


def test_a_pair_of_surrogates_is_refused_too(minilm: Tokenizer) -> None:
    with pytest.raises(ValueError, match="lone surrogate"):
        minilm(["\ud83d\ude00"])


def test_an_empty_list_has_no_tokens(minilm: Tokenizer) -> None:
    tokens = minilm([])
    assert len(tokens) == 0
    assert tokens.input_ids.shape == tokens.lengths.shape == tokens.truncated.shape == (0,)
    assert tokens.padded().input_ids.shape == (0, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_text_has_special_tokens_and_valid_ids(minilm: Tokenizer, kind: str) -> None:
    ids = ids_of(minilm([KINDS[kind]]))
    assert (ids[0], ids[-1]) == (CLS, SEP)
    assert all(0 <= i < 30522 for i in ids)


# Packed, selected, padded


def by_hand(texts: list[list[int]]) -> Tokens:
    lengths = [len(text) for text in texts]
    flat = np.array([i for text in texts for i in text], dtype=np.int64)
    return Tokens(flat, flat % 2, np.array(lengths, dtype=np.int64), np.array([n > 2 for n in lengths], dtype=bool), 9)


def test_distinct_returns_the_first_of_equal_texts() -> None:
    tokens = by_hand([[7, 8], [7], [7, 8], [], [8, 7], [7], []])
    index, inverse = tokens.distinct()
    assert index.tolist() == [0, 1, 3, 4]
    assert inverse.tolist() == [0, 1, 0, 2, 3, 1, 2]
    types = Tokens(np.array([7, 7]), np.array([0, 1]), np.array([1, 1]), np.zeros(2, dtype=bool))
    assert types.distinct()[0].tolist() == [0, 1], "equal ids in other segments are another text"
    empty = by_hand([]).distinct()
    assert [each.tolist() for each in empty] == [[], []]


def test_select_keeps_the_order_of_its_indices_and_repeats() -> None:
    selected = by_hand([[1, 2], [3], [4, 5, 6]]).select(np.array([2, 0, 0]))
    assert selected.input_ids.tolist() == [4, 5, 6, 1, 2, 1, 2]
    assert selected.token_type_ids.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert selected.lengths.tolist() == [3, 2, 2]
    assert selected.starts.tolist() == [0, 3, 5]
    assert selected.truncated.tolist() == [True, False, False]
    assert selected.pad_token_id == 9


def test_padded_fills_the_right_with_the_padding_token() -> None:
    padded = by_hand([[1, 2], [3], [4, 5, 6]]).padded()
    assert padded.input_ids.tolist() == [[1, 2, 9], [3, 9, 9], [4, 5, 6]]
    assert padded.attention_mask.tolist() == [[True, True, False], [True, False, False], [True, True, True]]
    assert padded.token_type_ids.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0]]


@given(
    texts=st.lists(st.lists(st.integers(0, 999), max_size=6), max_size=6),
    order=st.lists(st.integers(0, 5), max_size=8),
)
def test_select_then_padded_is_the_plain_loop(texts: list[list[int]], order: list[int]) -> None:
    order = [i for i in order if i < len(texts)]
    selected = by_hand(texts).select(np.array(order, dtype=np.int64))
    assert len(selected) == len(order)
    padded = selected.padded()
    for row, text in enumerate(order):
        assert padded.input_ids[row, padded.attention_mask[row]].tolist() == texts[text]
        assert (padded.input_ids[row, ~padded.attention_mask[row]] == 9).all()
        assert ids_of(selected, row) == texts[text]


# Against transformers


@pytest.fixture(scope="module")
def peer() -> Any:
    import transformers

    return transformers.AutoTokenizer.from_pretrained(models.path("all-MiniLM-L6-v2"))


def assert_same_ids(ours: Tokenizer, peer: Any, texts: list[str]) -> None:
    published = peer(texts, truncation=True, max_length=256, padding=False)
    tokens = ours(texts)
    for i, expected in enumerate(published["input_ids"]):
        assert ids_of(tokens, i) == expected, texts[i]


@pytest.mark.peer
def test_ids_are_transformers_ids_for_every_kind_of_text(minilm: Tokenizer, peer: Any) -> None:
    assert_same_ids(
        minilm, peer, [*KINDS.values(), *(text * 40 for text in KINDS.values()), *("a " * n for n in range(250, 260))]
    )


@pytest.mark.peer
def test_padded_batches_are_transformers_batches(minilm: Tokenizer, peer: Any) -> None:
    texts = list(KINDS.values())
    published, ours = peer(texts, truncation=True, max_length=256, padding=True, return_tensors="np"), minilm(texts)
    np.testing.assert_array_equal(ours.padded().input_ids, published["input_ids"])
    np.testing.assert_array_equal(ours.padded().attention_mask, published["attention_mask"].astype(bool))
    np.testing.assert_array_equal(ours.padded().token_type_ids, published["token_type_ids"])


@pytest.mark.peer
def test_sentence_transformers_truncates_where_we_do(minilm: Tokenizer) -> None:
    import sentence_transformers

    folder = str(models.path("all-MiniLM-L6-v2"))
    published = sentence_transformers.SentenceTransformer(folder, device="cpu").tokenize(["a " * 300])
    assert published["input_ids"].shape == (1, 256) == (1, minilm.max_length)


@pytest.mark.peer
@settings(max_examples=300, deadline=None)
@given(texts=st.lists(st.text(max_size=40) | st.sampled_from(list(KINDS.values())), min_size=1, max_size=4))
def test_ids_are_transformers_ids_for_any_text(minilm: Tokenizer, peer: Any, texts: list[str]) -> None:
    assert_same_ids(minilm, peer, texts)


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(st.text(max_size=30), max_size=5))
def test_a_texts_ids_do_not_depend_on_its_neighbours(minilm: Tokenizer, texts: list[str]) -> None:
    together = minilm(texts)
    assert [ids_of(together, i) for i in range(len(texts))] == [ids_of(minilm([text])) for text in texts]


# Settings of the folder that would be ignored: refused with file and key


REFUSED = {
    "unheard_of": 1,
    "split_special_tokens": True,
    "chat_template": "{{ messages }}",
    "auto_map": {"AutoTokenizer": ["code.Tokenizer", None]},
    "tokenizer_class": "JinaTokenizer",
    "truncation_side": "middle",
    "do_lower_case": "yes",
    "additional_special_tokens": [7],
}


@pytest.mark.parametrize("key", sorted(REFUSED))
def test_a_setting_that_is_not_supported_is_refused_by_file_and_key(tmp_path: Path, key: str) -> None:
    source = models.path("all-MiniLM-L6-v2")
    shutil.copy(source / "tokenizer.json", tmp_path)
    shutil.copy(source / "config.json", tmp_path)
    write_json(tmp_path, tokenizer_config={key: REFUSED[key]})
    with pytest.raises(ValueError, match=rf"(tokenizer_config|special_tokens_map)\.json: expected .*{key}"):
        Tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("part", "key"),
    [({"max_input_chars_per_word": 50}, "max_input_chars_per_word"), ({"unk_token": "[PAD]"}, "unk_token")],
)
def test_a_model_that_the_named_class_would_replace_is_refused(tmp_path: Path, part: dict[str, Any], key: str) -> None:
    published = json.loads((models.path("all-MiniLM-L6-v2") / "tokenizer.json").read_text(encoding="utf-8"))
    published["model"] |= part
    write_json(tmp_path, tokenizer=published, tokenizer_config={"tokenizer_class": "BertTokenizer"})
    with pytest.raises(ValueError, match=rf"tokenizer\.json: expected model\.{key} "):
        Tokenizer(tmp_path, 8)


def test_truncation_from_the_left_keeps_the_end(tmp_path: Path) -> None:
    """Ids by hand: [CLS] and [SEP] stay, of `hello world fox` the first word goes."""
    shutil.copy(models.path("all-MiniLM-L6-v2") / "tokenizer.json", tmp_path)
    write_json(tmp_path, tokenizer_config={"tokenizer_class": "BertTokenizer", "truncation_side": "left"})
    tokens = Tokenizer(tmp_path, 4)(["hello world fox"])
    assert ids_of(tokens) == [CLS, 2088, 4419, SEP]
    assert tokens.truncated.all()


def test_a_cased_class_keeps_case_whatever_tokenizer_json_normalises(tmp_path: Path) -> None:
    """The vocabulary has no capitals, so a cased reading gives [UNK]."""
    shutil.copy(models.path("all-MiniLM-L6-v2") / "tokenizer.json", tmp_path)
    write_json(tmp_path, tokenizer_config={"tokenizer_class": "BertTokenizer", "do_lower_case": False})
    assert ids_of(Tokenizer(tmp_path, 8)(["Hello hello"])) == [CLS, UNK, 7592, SEP]
