"""Runs `identify` and `check` on published packages; `refimpl field` is its command, docs/field.md its page."""

from refimpl.field.catalogue import KINDS, Entry, entries
from refimpl.field.measure import measure
from refimpl.field.packages import installed_version
from refimpl.field.results import Row, load, merged, save

__all__ = ["KINDS", "Entry", "Row", "entries", "installed_version", "load", "measure", "merged", "save"]
