"""How much memory a JSON text takes when it is parsed, before it is parsed."""

MAX_MEMORY = 1 << 30  # bytes, of all answers of a target
CONTAINER = 100  # bytes: an empty list is 56, its first entry's room 32, its place in a list 9
OBJECT = 150  # further bytes of a dict with entries
VALUE = 40  # a float and its place in a list
QUOTE = 35  # half of a str's header and its place


def parsed_bytes(text: bytes) -> int:
    """Return an upper estimate of the bytes that `json.loads(text)` allocates, without allocating them.

    255 MB of `[],[],` take 6 GB as lists: a limit on the size of a text does not limit the memory of its values.
    """
    containers, objects = text.count(b"["), text.count(b"{")
    values = text.count(b",") + text.count(b":")
    width = 1 if text.isascii() else 4  # bytes of a letter in a str
    return (
        (containers + objects) * CONTAINER
        + objects * OBJECT
        + values * VALUE
        + text.count(b'"') * QUOTE
        + len(text) * width
    )
