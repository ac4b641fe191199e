"""The words of Lucene's StandardTokenizer: those between the word boundaries of Unicode's annex 29.

Sources: UAX #29, section 4.1 (rules WB1 to WB999); Lucene's StandardTokenizer, in which each Han and each Hiragana
character is a word, runs of South-East Asian letters and emoji sequences are one word each, and longer words are split
at 255 UTF-16 units.
"""

import regex

MAX_LENGTH = 255  # UTF-16 units

_MARKS = r"[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}]*"  # WB4: part of the character before them


def _one_of(*properties: str) -> str:
    return f"[{''.join(rf'{{p}}{{{name}}}'.replace('{p}', chr(92) + 'p') for name in properties)}]{_MARKS}+"


_HEBREW = r"\p{WB=Hebrew_Letter}"
_LETTER = _one_of("WB=ALetter", "WB=Hebrew_Letter")
_DIGIT = _one_of("WB=Numeric")
_KATAKANA = _one_of("WB=Katakana")
_JOINER = _one_of("WB=ExtendNumLet")
_IN_WORD = _one_of("WB=MidLetter", "WB=MidNumLet", "WB=Single_Quote")
_IN_NUMBER = _one_of("WB=MidNum", "WB=MidNumLet", "WB=Single_Quote")

_IN_HEBREW = rf'(?<={_HEBREW}{_MARKS})"{_MARKS}+(?={_HEBREW})'  # WB7b, WB7c
_AFTER_HEBREW = rf"(?:(?<={_HEBREW}{_MARKS})'{_MARKS}+)?"  # WB7a
_LETTERS = rf"{_LETTER}(?:(?:{_IN_WORD})?{_LETTER}|{_IN_HEBREW})*{_AFTER_HEBREW}"  # WB5 to WB7
_DIGITS = rf"{_DIGIT}(?:(?:{_IN_NUMBER})?{_DIGIT})*"  # WB8, WB11, WB12
_RUN = rf"(?:{_KATAKANA}(?:{_KATAKANA})*|(?:{_LETTERS}|{_DIGITS})+)"  # WB9, WB10, WB13
_WORD = rf"(?:{_JOINER})*{_RUN}(?:(?:{_JOINER})+{_RUN})*(?:{_JOINER})*"  # WB13a, WB13b
_SINGLE = rf"[\p{{Han}}\p{{Hiragana}}]{_MARKS}+"
_SOUTH_EAST_ASIAN = rf"(?:\p{{LB=SA}}{_MARKS}+)+"
_EMOJI = (
    r"\p{Regional_Indicator}{2}"
    r"|(?=[^\p{ASCII}©®™])\p{Extended_Pictographic}[\uFE0F\p{Emoji_Modifier}]*(?:\u200D\p{Extended_Pictographic}[\uFE0F\p{Emoji_Modifier}]*)*"
)
WORD = regex.compile(rf"{_EMOJI}|{_SOUTH_EAST_ASIAN}|{_WORD}|{_SINGLE}", regex.V1)

# The same for ASCII, where few rules apply: : ' . inside letters, , ; ' . inside digits, _ anywhere except alone.
ASCII_WORD = regex.compile(
    r"_*[A-Za-z0-9](?:[A-Za-z0-9_]|(?<=[A-Za-z])[:'.](?=[A-Za-z])|(?<=[0-9])[,;'.](?=[0-9]))*", regex.ASCII
)


def words(text: str) -> list[str]:
    """The words of `text` in order, unchanged."""
    matches: list[str] = (ASCII_WORD if text.isascii() else WORD).findall(text)
    if any(len(word) > MAX_LENGTH // 2 for word in matches):
        return [part for word in matches for part in _split(word)]
    return matches


def _split(word: str) -> list[str]:
    """`word` in parts of at most `MAX_LENGTH` UTF-16 units, without splitting a character."""
    parts, start, units = [], 0, 0
    for i, letter in enumerate(word):
        width = 2 if letter > "\uffff" else 1
        if units + width > MAX_LENGTH:
            parts.append(word[start:i])
            start, units = i, 0
        units += width
    return [*parts, word[start:]]
