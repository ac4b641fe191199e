"""Utilities for every layer; they import no other package of refimpl."""
