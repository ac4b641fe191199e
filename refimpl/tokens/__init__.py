"""Texts to token ids, as the published folder's own settings determine them, with truncation reported per text."""

from refimpl.tokens.packed import Padded, Tokens
from refimpl.tokens.tokenizer import NO_LIMIT, Tokenizer, TruncationWarning, warn_truncated

__all__ = ["NO_LIMIT", "Padded", "Tokenizer", "Tokens", "TruncationWarning", "warn_truncated"]
