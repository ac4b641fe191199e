"""Rarer deviations of tokenizers: other normal forms, cleaned texts, other matches of pieces, changed lists of ids."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

from refimpl.diagnosis import rewriting, tokenizing, unknown_words, word_pieces
from refimpl.diagnosis.hypotheses import Hypothesis
from refimpl.diagnosis.rewriting import outside_special_tokens
from refimpl.diagnosis.token_hypotheses import encoder, tokenized

WORD = re.compile(r"[^\W_]+")
SHORTEST_LIMIT = 12  # characters of a word: of fewer, every text shows it
USUAL_LIMIT = 100
KEPT = {"tokenizer_changes": (tokenizing.accents_kept,)}

NORMAL_FORMS = tuple(
    Hypothesis(name, explanation, encoder(text_changes=(outside_special_tokens(rewrite),), **changes))
    for name, explanation, rewrite, changes in (
        (
            "accents stripped, then ASCII lower-cased",
            "only A to Z are lower-cased, after accents were stripped",
            rewriting.stripped_then_ascii_lowered,
            {"tokenizer_changes": (tokenizing.case_kept,)},
        ),
        (
            "accents stripped from NFC",
            "marks are stripped from composed letters (NFC), which have none, not from decomposed ones (NFD)",
            rewriting.composed_then_stripped,
            KEPT,
        ),
        (
            "accents stripped without a normal form",
            "combining marks are stripped as they are written, so that composed letters keep theirs",
            rewriting.marks_stripped_undecomposed,
            KEPT,
        ),
        (
            "only U+0300 to U+036F stripped",
            "of the marks only those from U+0300 to U+036F are stripped, as by a regular expression, not all (Mn)",
            rewriting.latin_marks_stripped,
            KEPT,
        ),
        ("decomposed, accents kept", "the text is normalised by NFD, but marks are kept", rewriting.decomposed, KEPT),
        ("composed, accents kept", "the text is normalised by NFC, and accents are kept", rewriting.composed, KEPT),
        (
            "characters outside ASCII dropped",
            "characters outside ASCII are left out",
            rewriting.ascii_only(""),
            {},
        ),
        (
            "characters outside ASCII as question marks",
            "characters outside ASCII are replaced by '?', as by encode('ascii', 'replace')",
            rewriting.ascii_only("?"),
            {},
        ),
        (
            "characters outside ASCII as spaces",
            "characters outside ASCII are replaced by spaces",
            rewriting.ascii_only(" "),
            {},
        ),
        (
            "decomposed, then ASCII only",
            "the text is normalised by NFKD, and what is then outside ASCII is left out",
            rewriting.decomposed_to_ascii,
            {},
        ),
    )
)
CLEANED = tuple(
    Hypothesis(name, explanation, encoder(text_changes=(rewrite,)))
    for name, explanation, rewrite in (
        ("tags removed", "mark-up is removed: what is between < and >", rewriting.substituted(r"<[^>]*>", "")),
        (
            "tags as spaces",
            "mark-up is replaced by spaces: what is between < and >",
            rewriting.substituted(r"<[^>]*>", " "),
        ),
        ("entities unescaped", "HTML entities are replaced, as &lt; by <", rewriting.entities_unescaped),
        ("digits removed", "digits are removed", rewriting.substituted(r"\d", "")),
        ("numbers as 0", "each number is replaced by 0", rewriting.substituted(r"\d+", "0")),
        ("digits as 0", "each digit is replaced by 0", rewriting.substituted(r"\d", "0")),
        ("addresses removed", "web addresses are removed", rewriting.substituted(r"https?://\S+", "")),
        ("only the first line", "the text after the first line is lost", rewriting.substituted(r"(?s)\n.*", "")),
        ("line ends removed", "line ends are removed, so that words are joined", rewriting.substituted(r"[\r\n]", "")),
        (
            "tabs and line ends removed",
            "tabs and line ends are removed as other control characters are, so that words are joined",
            rewriting.substituted(r"[\t\r\n]", ""),
        ),
        (
            "characters beyond U+FFFF removed",
            "characters of two UTF-16 units, such as emoji, are removed",
            rewriting.substituted(r"[\U00010000-\U0010ffff]", ""),
        ),
        (
            "only letters, digits and spaces",
            "other characters than letters, digits and spaces are removed, so that words are joined",
            rewriting.substituted(r"[^\w\s]|_", ""),
        ),
        ("ASCII punctuation deleted", "ASCII punctuation is deleted", rewriting.substituted(r"[!-/:-@\[-`{-~]", "")),
        ("ASCII punctuation as spaces", "ASCII punctuation is a space", rewriting.substituted(r"[!-/:-@\[-`{-~]", " ")),
        (
            "whitespace of Python",
            "the text is split and joined by Python's str.split, whose whitespace has \\x1c to \\x1f and \\x85 too",
            rewriting.rejoined,
        ),
        (
            "full stop appended",
            "a full stop is appended to texts that do not end with one, nor with ! or ?",
            lambda text: text if text.rstrip().endswith((".", "!", "?")) else f"{text}.",
        ),
        (
            "repeated characters shortened",
            "more than two equal characters in a row are shortened to two",
            rewriting.substituted(r"(.)\1{2,}", r"\1\1"),
        ),
    )
)
PIECES = tuple(
    Hypothesis(name, explanation, encoder(unknown_words=rule))
    for name, explanation, rule in (
        (
            "pieces kept up to the unknown",
            "a word keeps the pieces before an unknown character, and ends in one [UNK]",
            word_pieces.by_word(word_pieces.longest_first),
        ),
        (
            "pieces grown, not longest",
            "a piece grows as long as the vocabulary has it; the longest one may be beyond a gap",
            word_pieces.by_word(word_pieces.grown),
        ),
        (
            "shortest pieces",
            "the shortest piece at each position is taken, not the longest",
            word_pieces.by_word(word_pieces.shortest_first),
        ),
        (
            "first piece of each word",
            "the pieces after a word's first one are lost",
            word_pieces.by_word(word_pieces.beginning_only),
        ),
        (
            "words not split into pieces",
            "a word that is not in the vocabulary is [UNK]",
            word_pieces.by_word(word_pieces.whole),
        ),
        (
            "words of at most 100 bytes",
            "words of over 100 bytes of UTF-8 are [UNK], where those of over 100 characters are",
            word_pieces.by_word(word_pieces.longest_match, word_pieces.in_bytes),
        ),
        (
            "unknown words dropped, long ones [UNK]",
            "words without pieces are left out, but those of over 100 characters are [UNK]",
            unknown_words.dropped_but_long,
        ),
        *(
            (f"[UNK] as id {token}", f"unknown words have the id {token}", unknown_words.replaced_by(token))
            for token in (0, 1, 2, 3, 101, 102, 103)
        ),
    )
)


def _once(ids: list[int]) -> list[int]:
    return list(dict.fromkeys(ids))


def _runs_once(ids: list[int]) -> list[int]:
    return [token for before, token in zip([-1, *ids], ids, strict=False) if token != before]


def _shifted(by: int) -> unknown_words.ListChange:
    return lambda ids: [max(token + by, 0) for token in ids]


LISTS = tuple(
    Hypothesis(name, explanation, encoder(id_changes=(change,)))
    for name, explanation, change in (
        ("repeated tokens dropped", "each token is kept once, at its first place", _once),
        ("tokens repeated in a row dropped", "of equal tokens in a row one is kept", _runs_once),
        ("tokens in reverse order", "the tokens between the special ones are reversed", lambda ids: ids[::-1]),
        ("tokens sorted", "the tokens between the special ones are sorted by id", sorted),
        ("last token dropped", "the last token before [SEP] is lost", lambda ids: ids[:-1]),
        ("first token dropped", "the first token after [CLS] is lost", lambda ids: ids[1:]),
        ("ids of words one too high", "the ids of tokens, but not of special ones, are one too high", _shifted(1)),
        ("ids of words one too low", "the ids of tokens, but not of special ones, are one too low", _shifted(-1)),
    )
)


@cache
def longest_word(least: int, most: int) -> Hypothesis:
    """The hypothesis that words of more characters are unknown, of which `least` to `most` are allowed; one object."""
    limit = str(least) if least == most else f"{least} to {most}"
    return tokenized(
        f"words of at most {limit} characters",
        "longer words are [UNK], where those of over 100 characters are",
        tokenizing.longest_word(least),
    )


def word_limits(texts: Sequence[str]) -> Iterator[Hypothesis]:
    """One hypothesis per limit that shows in some text: a limit between the lengths of two words is any of them."""
    lengths = sorted({len(word) for text in texts for word in WORD.findall(text)})
    for least, longer in pairwise(lengths):
        if least >= SHORTEST_LIMIT and not least <= USUAL_LIMIT < longer:
            yield longest_word(least, longer - 1)


SPLITS = (
    tokenized(
        "only ASCII punctuation split, and removed",
        "ASCII punctuation is removed where words are split, and other punctuation is part of words",
        tokenizing.ascii_punctuation_removed,
    ),
)
RARE = (*SPLITS, *NORMAL_FORMS, *CLEANED, *PIECES, *LISTS)
"""All but those about the length of words; one hypothesis per change, since a search combines them."""
