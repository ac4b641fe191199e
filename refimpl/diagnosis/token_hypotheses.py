"""Known deviations of tokenizers and of truncation, each as one hypothesis."""

from functools import cache, partial

from refimpl.diagnosis import rewriting, tokenizing, unknown_words
from refimpl.diagnosis.encoder import EncoderVariant
from refimpl.diagnosis.hypotheses import Hypothesis, change
from refimpl.diagnosis.rewriting import outside_special_tokens
from refimpl.diagnosis.tokenizing import TokenizerChange
from refimpl.diagnosis.truncating import Truncation

encoder = partial(change, EncoderVariant)


def tokenized(name: str, explanation: str, apply: TokenizerChange) -> Hypothesis:
    """A hypothesis about the tokenizer's settings."""
    return Hypothesis(name, explanation, encoder(tokenizer_changes=(apply,)))


ORIGINS = {
    64: ", a common setting of small servers",
    128: ", as in tokenizer.json, where sentence-transformers has 256",
    512: ", the size of the position table, where sentence-transformers has 256",
}


@cache
def truncation_at(length: int) -> Hypothesis:
    """The hypothesis that texts are truncated at `length` tokens, special ones included; one object per length."""
    explanation = f"texts are truncated at {length} tokens{ORIGINS.get(length, '')}"
    remedy = "set max_length={max_length}"
    return Hypothesis(f"truncation at {length}", explanation, encoder(max_length=length), remedy=remedy)


SETTINGS = (
    tokenized(
        "no special tokens",
        "[CLS] and [SEP] are not added (add_special_tokens=False)",
        tokenizing.no_special_tokens,
    ),
    tokenized("no [SEP]", "the final [SEP] is not added", tokenizing.template("[CLS] $A", "[CLS] $A [SEP] $B:1")),
    tokenized("no [CLS]", "the initial [CLS] is not added", tokenizing.template("$A [SEP]", "$A [SEP] $B:1 [SEP]:1")),
    tokenized(
        "special tokens twice",
        "[CLS] and [SEP] are added by hand and by the tokenizer",
        tokenizing.template("[CLS] [CLS] $A [SEP] [SEP]", "[CLS] [CLS] $A [SEP] $B:1 [SEP]:1 [SEP]:1"),
    ),
    tokenized(
        "cased tokens",
        "the text is neither lower-cased nor stripped of accents (do_lower_case=False)",
        tokenizing.cased,
    ),
    tokenized("case kept", "accents are stripped, but the text is not lower-cased", tokenizing.case_kept),
    tokenized(
        "accents kept", "lower-cased, but accents are not stripped (strip_accents=False)", tokenizing.accents_kept
    ),
    tokenized(
        "Han not split",
        "Chinese characters are not split into words of one character (tokenize_chinese_chars=False)",
        tokenizing.han_not_split,
    ),
    tokenized("punctuation not split", "words are split at whitespace only", tokenizing.punctuation_not_split),
    tokenized(
        "control characters kept",
        "control characters are not removed, and unusual whitespace is not unified",
        tokenizing.not_cleaned,
    ),
)

TEXTS = tuple(
    Hypothesis(name, explanation, encoder(text_changes=(outside_special_tokens(rewrite),), **changes))
    for name, explanation, rewrite, changes in (
        (
            "lower-cased as a whole",
            "the text is lower-cased as by Python's str.lower, which knows words: a final sigma differs",
            str.lower,
            {},
        ),
        ("case folded", "the text is case-folded: sharp s becomes ss", str.casefold, {}),
        (
            "ASCII lower-cased",
            "only A to Z are lower-cased, as by C's tolower",
            rewriting.ascii_lowered,
            {"tokenizer_changes": (tokenizing.case_kept,)},
        ),
        (
            "compatibility forms folded",
            "the text is normalised by NFKC, which replaces ligatures and full-width letters",
            rewriting.compatibility_folded,
            {},
        ),
        (
            "Hangul not decomposed",
            "Hangul syllables stay composed, where the tokenizer decomposes them (NFD), as in llama.cpp",
            rewriting.accents_stripped_but_hangul,
            {"tokenizer_changes": (tokenizing.accents_kept,)},
        ),
        (
            "all marks stripped",
            "spacing and enclosing marks are stripped too (Mc, Me), such as vowel signs of Devanagari",
            rewriting.all_marks_stripped,
            {},
        ),
        (
            "control characters as spaces",
            "control and format characters are replaced by spaces, not removed",
            rewriting.controls_as_spaces,
            {},
        ),
        (
            "format characters kept",
            "control characters are removed, but not format characters, such as soft hyphens and zero-width spaces",
            rewriting.only_controls_removed,
            {"tokenizer_changes": (tokenizing.not_cleaned,)},
        ),
        (
            "only format characters removed",
            "format characters, such as soft hyphens and zero-width joiners, are removed, but not control characters",
            rewriting.only_format_removed,
            {"tokenizer_changes": (tokenizing.not_cleaned,)},
        ),
        ("kana split", "Japanese kana are split into words of one character, as Han is", rewriting.kana_split, {}),
    )
)

WORDS = (
    Hypothesis(
        "special tokens removed from texts",
        "special tokens that are written in a text are removed from it",
        encoder(text_changes=(rewriting.special_tokens_removed,)),
    ),
    tokenized(
        "special tokens read as text",
        "special tokens that are written in a text are split as other words (parse_special=False)",
        tokenizing.special_tokens_as_text,
    ),
    tokenized(
        "symbols not split",
        "words are split at Unicode's punctuation only (\\p{P}), not at $ + < = > ^ ` | ~",
        tokenizing.symbols_not_split,
    ),
    tokenized(
        "only ASCII punctuation split",
        "words are split at ASCII punctuation, not at typographic quotes and dashes",
        tokenizing.ascii_punctuation_split,
    ),
    tokenized(
        "underscore not split", "an underscore is a letter of a word, as in \\w", tokenizing.underscore_not_split
    ),
    tokenized(
        "punctuation in runs", "several marks in a row are one word (\\w+|[^\\w\\s]+)", tokenizing.punctuation_in_runs
    ),
    tokenized("punctuation removed", "punctuation is removed", tokenizing.punctuation_removed),
    tokenized("digits split", "each digit is a word", tokenizing.digits_split),
    tokenized(
        "pieces without ##",
        "pieces inside a word are looked up without their prefix ##",
        tokenizing.pieces_without_prefix,
    ),
    tokenized(
        "words of any length",
        "words of over 100 characters are split into pieces, where they are [UNK]",
        tokenizing.words_of_any_length,
    ),
    *(
        Hypothesis(name, explanation, encoder(unknown_words=rule))
        for name, explanation, rule in (
            ("unknown words dropped", "words without pieces in the vocabulary are left out", unknown_words.dropped),
            (
                "unknown words by character",
                "a word without pieces is [UNK] for each unknown character, and pieces for the others",
                unknown_words.by_character,
            ),
            (
                "unknown characters dropped",
                "unknown characters are left out, and the rest of their word is split into pieces",
                unknown_words.characters_dropped,
            ),
        )
    ),
)

SIDES = tuple(
    Hypothesis(
        name, explanation, encoder(truncation=truncation), remedy="truncate at the right, to {max_length} tokens"
    )
    for name, explanation, truncation in (
        ("truncation at the left", "long texts lose their beginning, not their end", Truncation("left")),
        (
            "truncation in the middle",
            "long texts lose their middle: the first and the last half of the tokens are kept",
            Truncation("middle"),
        ),
        (
            "truncation after a quarter",
            "long texts lose their middle: a quarter of the tokens is of the beginning (128 + 382; Sun et al. 2019)",
            Truncation("middle", head=0.25),
        ),
        (
            "special tokens truncated",
            "special tokens are added before truncation: long texts lose [SEP]",
            Truncation(special="cut"),
        ),
        (
            "special tokens not counted",
            "the limit does not count special tokens: long texts keep as many more tokens of their own",
            Truncation(special="beside"),
        ),
    )
)
PREFIXES = tuple(
    Hypothesis(
        f"prefix '{prefix}'",
        "the text is preceded by an instruction that this model was not trained with",
        encoder(prefix=prefix, suffix=""),
    )
    for prefix in ("query: ", "passage: ")
)
SPECIAL = SETTINGS[:4]
"""Those about the special tokens that every text gets."""
TOKENS = (*SETTINGS, *TEXTS, *WORDS, *(truncation_at(length) for length in (64, 128, 512)), *SIDES, *PREFIXES)
"""All of them; one hypothesis per change, since a search combines them."""
