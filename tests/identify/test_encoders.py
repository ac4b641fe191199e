"""Encoders with one to three rules changed, drawn at random: what `identify` names is right, or undetermined."""

import html
import random
import re
from dataclasses import replace

import numpy as np
import pytest
from synthetic_encoders import Reference, Rules, encoder, expected, scaled, states_of, tokens_of

from refimpl.check.targets.python import PythonTarget
from refimpl.identify import identify_embed

CHANGES = [
    *({"case": "ascii"}, {"case": "keep"}, {"accents": "keep"}, {"nfkc": True}, {"punctuation": "drop"}),
    *({"cjk": False}, {"unknown": "drop"}, {"stop": True}, {"longest": 500}, {"limit": 100}, {"limit": 300}),
    *({"side": "left"}, {"unit": "words"}, {"unit": "characters", "limit": 500}, {"special": "none"}),
    *({"prefix": "query: "}, {"prefix": "passage: "}, {"pooling": "cls"}, {"pooling": "last"}, {"pooling": "max"}),
    *({"pooling": "sum", "norm": "none"}, {"pooling": "root", "norm": "none"}, {"pooling": "inner"}),
    *({"pooling": "position"}, {"norm": "none"}, {"norm": "l1"}, {"cut": "before"}, {"cut": "after"}),
    *({"store": "float16"}, {"store": "int8"}, {"store": "bits"}, {"store": "packed"}, {"store": "decimals"}),
    *({"order": "length"}, {"padding": True}, {"noise": True}, {"pooling": "squares"}),
]


SUFFIX = re.compile(
    r" \(or their sum: the length does not show\)$|, unit length before the cut$|, in direction, with lengths of .*$"
)


def identified(rules):
    return identify_embed(PythonTarget(encoder(rules), "mine"), Reference())


def judged(rules, result):
    """Factors that are claimed and wrong, and those that are not claimed."""
    right = expected(rules)
    claimed = {f.name: f.value for f in result.factors if f.status == "known form" and f.name in right}
    values = {name: SUFFIX.sub("", value) for name, value in claimed.items()}
    wrong = {
        name: value
        for name, value in values.items()
        if value != right[name]
        and not (
            name == "length of vectors"
            and value.startswith(("not normalised", "one length"))
            and loose(rules, right[name])
        )
        and not (name == "truncation" and rules.unit == "characters" and in_span(value, right[name]))
    }
    missing = set(right) - set(claimed) - ({"length of vectors"} if rules.store in ("bits", "packed") else set())
    return wrong, sorted(missing)


def loose(rules, right):
    """Vectors cut after the normalisation, or stored as integers and bits, are not of unit length any more."""
    return right == "not normalised" or rules.cut == "after" or rules.store in ("int8", "bits", "packed")


def in_span(value, right):
    """Characters are known to within a word: `497 to 500`."""
    numbers = [int(word) for word in value.split() if word.isdigit()]
    wanted = int(right.split()[2])
    return value.endswith("characters are read") and numbers[0] <= wanted <= numbers[-1]


def drawn(seed):
    rng = random.Random(seed)
    rules = Rules()
    for change in rng.sample(CHANGES, rng.randint(1, 3)):
        rules = replace(rules, **change)
    return rules


@pytest.mark.parametrize(
    "change", [c if i % 4 == 0 else pytest.param(c, marks=pytest.mark.slow) for i, c in enumerate(CHANGES)], ids=str
)
def test_each_rule_by_itself(change):
    """Where all is exact, all is named, but what the change itself hides."""
    rules = replace(Rules(), **change)
    wrong, missing = judged(rules, identified(rules))
    assert wrong == {}
    if not rules.noise and rules.store not in ("bits", "packed"):
        hidden = {
            "stop": ["pooling"],
            "padding": ["order of the answers"],
        }  # other tokens than the reference's; no order
        hidden |= {"store": ["pooling"] if rules.store == "int8" else []}
        assert missing == hidden.get(next(iter(change)), [])


def named(function) -> dict[str, str]:
    return {f.name: f.value for f in identify_embed(PythonTarget(function, "mine"), Reference()).factors}


def test_an_incomplete_batch_of_zeros_is_told():
    """Batches of 16, of which only whole ones are filled; calls of up to 16 texts are right."""
    right = encoder(Rules())

    def batched(texts):
        vectors = np.array(right(texts))
        if len(texts) > 16:
            vectors[len(texts) // 16 * 16 :] = 0
        return vectors

    assert named(batched)["many texts in one call"] == "6 of 70 answers are zero, the last ones"
    assert named(right)["many texts in one call"] == "the numbers of each text alone"


def quantised_by_call(texts):
    """As sentence-transformers' quantize_embeddings(precision="int8"): each dimension by the range of the call."""
    vectors = np.array(encoder(Rules())(texts))
    if len(vectors) == 1:
        raise ValueError("Cannot compute int8 quantization ranges from a single embedding")
    low, high = vectors.min(axis=0), vectors.max(axis=0)
    steps = np.where(high > low, (high - low) / 255, 1)
    return (np.clip(np.floor((vectors - low) / steps), 0, 255) - 128).astype(np.int8)


def test_a_target_that_refuses_a_single_text_is_asked_for_several():
    """It was 'none: over 1 words of 3 letters a text is refused', and empty texts 'refused'."""
    values = named(quantised_by_call)
    assert values["truncation"] == "the first 126 words of one token are read"
    assert values["text: empty and blank"] == "one and the same"
    assert values["numbers"] == "8-bit integers, each column scaled to the range that it has in the call"
    assert values["pooling"] == "mean over all tokens, unit length before the numbers are scaled"
    assert values["text: case"] == "lower-cased"


def test_no_limit_is_told_where_one_word_is_refused():
    right = encoder(Rules())

    def particular(texts):
        if any(text.startswith("red sun war") or text == "red" for text in texts):
            raise ValueError("no red")
        return right(texts)

    by_name = {f.name: f for f in identify_embed(PythonTarget(particular, "mine"), None).factors}
    assert by_name["truncation"].status == "undetermined"
    assert "of one word and of 1200 words of 3 letters are refused" in by_name["truncation"].value


@pytest.mark.parametrize(
    ("store", "value"),
    [
        (lambda v: np.round(v * 127).astype(np.int8), "8-bit integers"),
        (lambda v: np.packbits(v > 0, axis=1), "integers of 1 to 247: 8-bit numbers, or packed bits"),
    ],
)
def test_integers_around_one_value_are_no_packed_bits_without_a_model(store, value):
    right = encoder(Rules())
    result = identify_embed(PythonTarget(lambda texts: store(np.array(right(texts))), "mine"), None)
    (numbers,) = (f for f in result.factors if f.name == "numbers")
    assert numbers.value.partition(" of ")[0] == value.partition(" of ")[0]
    assert (numbers.status == "known form") == (value == "8-bit integers")


@pytest.mark.parametrize(
    ("key", "shared"),
    [
        (lambda text: text[:100], "the first 100 characters"),
        (lambda text: text[:131], "the first 131 characters"),
        (lambda text: " ".join(text.split()[:40]), "the first 40 words"),
    ],
)
def test_a_cache_by_the_beginning_of_a_text_is_no_truncation(key, shared):
    """Texts that begin like one that was encoded before have its vector; no text is truncated."""
    right, cache = encoder(Rules(limit=5000)), {}

    def cached(texts):
        return [cache.setdefault(key(text), vector) for text, vector in zip(texts, right(texts), strict=True)]

    told = "in common have one vector, which is not that of their beginning: as of a cache"
    assert named(cached)["truncation"] == f"texts with {shared} {told}"


@pytest.mark.parametrize("limit", [97, 98, 99, 100])
def test_characters_are_counted_to_the_letter(limit):
    right = encoder(Rules(limit=5000))
    assert named(lambda texts: right([text[:limit] for text in texts]))["truncation"] == (
        f"the first {limit} characters are read"
    )
    spaces_kept = encoder(Rules(limit=5000))  # a space at the end is a token of its own
    values = named(lambda texts: spaces_kept([re.sub(r"\s$", " the", text[:limit]) for text in texts]))
    assert values["truncation"] == f"the first {limit} characters are read"


@pytest.mark.parametrize(
    ("restored", "value"),
    [
        (lambda order, answers: answers[order], "by length, shortest first, restored by the wrong permutation"),
        (lambda order, answers: answers[np.argsort(order)], "that of the texts"),
    ],
)
def test_an_order_that_is_restored_wrongly_is_told(restored, value):
    """sentence-transformers sorts by length, and puts back by argsort of the order."""
    right = encoder(Rules())

    def embed(texts):
        order = np.argsort([len(text) for text in texts], kind="stable")
        return restored(order, np.array(right([texts[i] for i in order])))

    assert named(embed)["order of the answers"] == value


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        (lambda text: re.sub(r"https?://\S+", "", text), "text: URLs", "removed"),
        (lambda text: re.sub(r"https?://\S+", "url", text), "text: URLs", "one for all"),
        (lambda text: re.sub(r"<[^>]+>", "", text), "text: HTML tags", "removed"),
        (lambda text: re.sub(r"<[^>]+>", " ", text), "text: HTML tags", "as a space"),
        (lambda text: text, "text: HTML tags", "as characters"),
        (html.unescape, "text: HTML entities", "replaced"),
        (lambda text: re.sub(r"\b(\w+)( \1\b)+", r"\1", text), "text: repeated words", "once"),
        (lambda text: re.sub(r"\w{21,}", "\U00010a00", text), "text: words of 30 letters", "one unknown token"),
    ],
)
def test_what_is_done_to_a_text_is_told(change, name, value):
    right = encoder(Rules())
    assert named(lambda texts: right([change(text) for text in texts]))[name] == value
    assert named(right)[name] in ("kept", "distinguished", "as characters")


def pooled_as(pool, rules, cut=None):
    """The unit vectors of `pool(states)`, of the first `cut` tokens of the finished input."""
    return lambda texts: [scaled(pool(states_of(tokens_of(text, rules)[:cut])), Rules()) for text in texts]


@pytest.mark.parametrize(
    ("pool", "prefix", "value"),
    [
        (lambda h: h[3:].mean(axis=0), "query: ", "mean over the tokens from the 4th on"),
        (lambda h: h[3:-1].mean(axis=0), "query: ", "mean over the tokens from the 4th on, without the last one"),
        (lambda h: h[1:-1].mean(axis=0), "", "mean over tokens other than special ones"),
    ],
)
def test_a_mean_without_the_tokens_of_a_prefix_is_told(pool, prefix, value):
    """sentence-transformers with include_prompt=False: [CLS], `query` and `:` are read, and not averaged."""
    encode = pooled_as(pool, Rules(prefix=prefix))
    values = named(encode)
    assert values["pooling"].partition(" (or")[0] == value
    assert values["input"].startswith(f"of hashed, with {prefix!r} before" if prefix else "of hashed, with the model's")


class Short(Reference):
    """The same model, with as many positions as a text of 128 tokens has."""

    positions = 128


def test_texts_in_chunks_are_told_by_the_models_positions():
    rules = Rules(limit=10_000)

    def chunked(texts):
        vectors = []
        for text in texts:
            tokens = tokens_of(text, rules)[1:-1] or ["[PAD]"]
            parts = [["[CLS]", *tokens[i : i + 126], "[SEP]"] for i in range(0, len(tokens), 126)]
            vectors.append(scaled(np.mean([states_of(part).mean(axis=0) for part in parts], axis=0), rules))
        return vectors

    result = identify_embed(PythonTarget(chunked, "mine"), Short())
    values = {f.name: f.value for f in result.factors}
    assert values["truncation"] == "none up to 1200 words"
    told = "are read: the model has 128 positions, so as by chunks or another model"
    assert values["texts beyond the model's positions"] == told
    assert told in result.sentence
    assert "texts beyond the model's positions" not in named(chunked)


def test_a_limit_that_cuts_a_finished_input_has_no_special_token_after_the_text():
    """As transformers.js cuts them, at 128 tokens here."""

    def mean(states):
        return states.mean(axis=0)

    cut = pooled_as(mean, Rules(limit=10_000), 128)
    assert named(cut)["truncation"] == "the first 127 words of one token are read"
    told = "128 tokens, without the special one after the text: the finished input is cut"
    for model in (Reference(), Short()):
        values = {f.name: f.value for f in identify_embed(PythonTarget(cut, "mine"), model).factors}
        assert values["limit in tokens"] == told
    assert named(pooled_as(mean, Rules()))["limit in tokens"] == "128 tokens, 2 special ones included"


def test_what_hides_a_pooling_is_undetermined_or_a_curve():
    by_name = {f.name: f for f in identified(Rules(store="int8")).factors}
    assert by_name["pooling"].value == "one of: mean over all tokens; mean of tokens scaled to unit length"
    by_name = {f.name: f for f in identified(Rules(pooling="squares")).factors}
    assert by_name["pooling"].status == "measured curve"
    weights = [weight for _, weight in by_name["pooling"].curve]
    assert weights[1:4] == pytest.approx([weights[0] * number**2 for number in (2, 3, 4)], rel=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_equal_vectors_are_named_as_that(value):
    with pytest.raises(ValueError, match="gives every text the same numbers"):
        identify_embed(PythonTarget(lambda texts: [[value] * 5 for _ in texts], "mine"), None)


def test_random_vectors_decide_nothing():
    rng = np.random.default_rng(0)
    result = identify_embed(PythonTarget(lambda texts: rng.normal(size=(len(texts), 64)), "mine"), Reference())
    known = {f.name: f.value for f in result.factors if f.status == "known form"}
    assert known.pop("the same call twice").startswith("not deterministic")
    assert known == {"width": "64 numbers", "numbers": "float64"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100))
def test_drawn_rules(seed):
    rules = drawn(seed)
    assert judged(rules, identified(rules))[0] == {}


@pytest.mark.peer
@pytest.mark.slow
def test_sentence_transformers(minilm_folder):
    """Its prompt, cut and limit, each as its documentation says."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(minilm_folder))
    model.max_seq_length = 128

    def embed(texts):
        return model.encode(texts, prompt="query: ", truncate_dim=128)

    result = identify_embed(PythonTarget(embed, "sentence-transformers"))
    found = {f.name: f.value for f in result.factors if f.status == "known form"}
    assert result.confirmed
    assert found["pooling"] == "mean over all tokens, unit length before the cut"
    assert found["input"] == "of all-MiniLM-L6-v2, with 'query: ' before each text"
    assert found["part of the states"] == "the first 128 of 384"
    assert found["truncation"] == "the first 124 words of one token are read"  # [CLS] query : ... [SEP]
    assert found["text: accents"] == "removed"
    assert found["token states"] == "those of the model"


@pytest.mark.peer
@pytest.mark.slow
def test_sentence_transformers_without_its_prompt_in_the_mean(minilm_folder):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(minilm_folder))
    model.max_seq_length = 64
    model.set_pooling_include_prompt(False)
    result = identify_embed(PythonTarget(lambda texts: model.encode(texts, prompt="query: "), "sentence-transformers"))
    found = {f.name: f.value for f in result.factors if f.status == "known form"}
    assert found["pooling"].startswith("mean over the tokens from the 4th on")  # [CLS] query :
    assert found["input"] == "of all-MiniLM-L6-v2, with 'query: ' before each text"
