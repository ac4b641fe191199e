"""Validation of texts: a list of str, each of which UTF-8 can encode."""

from collections.abc import Callable, Iterable, Mapping, Sequence

TextsOrTokens = Sequence[str] | Sequence[Sequence[str]]
"""Texts, or lists of tokens."""
REPAIR = "repair it with text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"


def check_texts(texts: object, name: str) -> list[str]:
    """Return `texts` as a list of str.

    Parameters
    ----------
    texts
        Any iterable of str with an order of its own. A str, a mapping and a set are refused.
    name
        The argument's name, for messages.

    Raises
    ------
    TypeError
        If `texts` is anything else; the message names the argument or its first wrong item, and what to do.
    """
    if isinstance(texts, str):
        raise TypeError(f"{name} must be a list of str, got one str: wrap it in a list, [{_shortened(texts)}]")
    # a mapping would give its keys, a set its texts in an arbitrary order
    if isinstance(texts, bytes | bytearray | Mapping | set | frozenset) or not isinstance(texts, Iterable):
        raise TypeError(f"{name} must be a list of str, got {type(texts).__name__}: {_remedy(texts)}")
    checked = list(texts)
    if wrong := [i for i, text in enumerate(checked) if not isinstance(text, str)]:
        first = checked[wrong[0]]
        raise TypeError(f"{name}[{wrong[0]}] must be a str, got {type(first).__name__}: {_remedy(first)}")
    return checked


def check_texts_or_tokens(texts: object, name: str) -> TextsOrTokens:
    """Return `texts` as `check_texts` does, or, where all are lists or tuples of str, as lists of tokens.

    Raises
    ------
    TypeError
        If `texts` is anything else, such as texts among lists of tokens.
    """
    if isinstance(texts, list | tuple) and texts and all(isinstance(one, list | tuple) for one in texts):
        return [check_texts(one, f"{name}[{i}]") for i, one in enumerate(texts)]
    return check_texts(texts, name)


def check_text(text: object, name: str) -> None:
    """Raise TypeError unless `text`, which may be empty, is a str."""
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str, '' for none, got {type(text).__name__}")


def check_encodable(texts: Sequence[str], name: str | Callable[[int], str]) -> None:
    """Raise ValueError for a lone surrogate (U+D800 to U+DFFF), which UTF-8 cannot encode.

    Parameters
    ----------
    texts
        The texts to check.
    name
        The argument's name, or a function from a text's index to the name that the message has for it.

    Raises
    ------
    ValueError
        With the first such text's name, the position of the surrogate in it, and a repair.
    """
    try:
        "\n".join(texts).encode()
    except UnicodeEncodeError:
        index, position = next((i, p) for i, text in enumerate(texts) if (p := _surrogate(text)) is not None)
        named = f"{name}[{index}]" if isinstance(name, str) else name(index)
        culprit = f"a lone surrogate {texts[index][position]!r} at position {position}"
        raise ValueError(f"{named} must be Unicode text, got {culprit}: {REPAIR}") from None


def visible(text: str) -> str:
    """Return `text` with escapes for every character that a terminal may execute or hide, but line feed and tab."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _surrogate(text: str) -> int | None:
    return next((i for i, letter in enumerate(text) if "\ud800" <= letter <= "\udfff"), None)


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _remedy(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return "decode it first, for example with .decode('utf-8')"
    if value is None:
        return "leave missing texts out, or give '' for an empty one"
    if isinstance(value, Mapping):
        return "choose its keys with list(d) or its values with list(d.values())"
    if isinstance(value, set | frozenset):
        return "its order is arbitrary, make a list of it, for example with sorted()"
    return "convert it with str() if that is its text"
