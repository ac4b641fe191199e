"""The beginning of a long text has the tokens of the whole text, as the tokenizers library computes them."""

import tracemalloc

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers, processors

from refimpl.common.long_texts import LongTexts, is_wordwise

PIECES = ["[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "##a", "##b", "##c", "ab", "##bc", ".", "é"]
MAX_LENGTH = 6


def word_piece(before, *normal):
    tokenizer = tokenizers.Tokenizer(models.WordPiece({p: i for i, p in enumerate(PIECES)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = before
    if normal:
        tokenizer.normalizer = normalizers.Sequence(list(normal))
    special = [("[CLS]", 1), ("[SEP]", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=special)
    tokenizer.add_special_tokens(["[CLS]", "[SEP]"])
    return tokenizer


def byte_pairs():
    letters = pre_tokenizers.ByteLevel.alphabet()
    merges = [("a", "b"), ("Ġ", "a"), ("ab", "c")]
    vocabulary = {piece: i for i, piece in enumerate([*sorted(letters), *map("".join, merges)])}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def unigram():
    pieces = [("<unk>", 0.0), ("▁", -2.0), ("▁a", -1.0), ("b", -2.0), ("ab", -1.5), ("c", -2.5), ("▁abc", -3.0)]
    tokenizer = tokenizers.Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


WORDWISE = {
    "Bert": word_piece(pre_tokenizers.BertPreTokenizer(), normalizers.BertNormalizer()),
    "Whitespace": word_piece(pre_tokenizers.Whitespace(), normalizers.NFKC(), normalizers.Lowercase()),
    "WhitespaceSplit": word_piece(pre_tokenizers.WhitespaceSplit(), normalizers.NFD(), normalizers.StripAccents()),
    "Sequence": word_piece(pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Digits()])),
    "ByteLevel": byte_pairs(),
    "Metaspace": unigram(),
}


def truncating(tokenizer):
    tokenizer.enable_truncation(MAX_LENGTH)
    return tokenizer


@pytest.mark.parametrize("tokenizer", WORDWISE.values(), ids=WORDWISE)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_beginning_has_the_tokens_of_the_whole_text(tokenizer, data):
    truncating(tokenizer)
    words = st.text("abcAB \u0301éΣ[CLS].1\n\u00a0▁東", max_size=9)
    text = " ".join(data.draw(st.lists(words, min_size=1, max_size=12)) * data.draw(st.integers(1, 60)))
    (beginning,) = LongTexts(tokenizer, MAX_LENGTH).beginnings([text])
    ours, theirs = tokenizer.encode(beginning), tokenizer.encode(text)
    assert text.startswith(beginning)
    assert (ours.ids, ours.type_ids, bool(ours.overflowing)) == (theirs.ids, theirs.type_ids, bool(theirs.overflowing))


@pytest.mark.parametrize("tokenizer", WORDWISE.values(), ids=WORDWISE)
def test_a_long_text_of_words_is_cut(tokenizer):
    text = "ab c " * 20_000
    (beginning,) = LongTexts(truncating(tokenizer), MAX_LENGTH).beginnings([text])
    assert len(beginning) < 1000


FEW_TOKENS_FIRST = "a" + " " * 95 + "b" + " c" * 1000  # fewer than MAX_LENGTH before the first place to cut


@pytest.mark.parametrize(
    "text",
    ["ab c" * 10, "a" * 100_000, " " * 100_000, "東" * 100_000, "", "a " * 50_000 + "b", FEW_TOKENS_FIRST],
    ids=lambda text: f"{len(text)} characters",
)
def test_short_texts_and_those_of_few_tokens_have_the_same_tokens(text):
    tokenizer = truncating(WORDWISE["Bert"])
    (beginning,) = LongTexts(tokenizer, MAX_LENGTH).beginnings([text])
    assert tokenizer.encode(beginning).ids == tokenizer.encode(text).ids


def with_blank():
    tokenizer = word_piece(pre_tokenizers.BertPreTokenizer())
    tokenizer.add_tokens(["a b"])
    return tokenizer


WHOLE = {
    "no pre-tokenizer": tokenizers.Tokenizer(models.BPE()),
    "a regex": word_piece(pre_tokenizers.Split(tokenizers.Regex("x"), "isolated")),
    "a replacement": word_piece(pre_tokenizers.BertPreTokenizer(), normalizers.Replace("a b", "c")),
    "an added token with a blank": with_blank(),
    "Metaspace without a split": word_piece(pre_tokenizers.Metaspace(split=False)),
    "ByteLevel without its regex": word_piece(pre_tokenizers.ByteLevel(use_regex=False)),
}


@pytest.mark.parametrize("tokenizer", WHOLE.values(), ids=WHOLE)
def test_where_it_is_not_provable_texts_are_left_whole(tokenizer):
    assert not is_wordwise(tokenizer)
    text = "ab c " * 20_000
    assert LongTexts(truncating(tokenizer), MAX_LENGTH).beginnings([text]) == [text]


def test_of_20_mb_only_the_beginning_is_copied():
    texts = LongTexts(truncating(WORDWISE["Bert"]), MAX_LENGTH)
    text = "ab c " * 4_000_000
    tracemalloc.start()
    try:
        (beginning,) = texts.beginnings([text])
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert len(beginning) < 1000
