"""Failures after ingestion: each is recorded, and the results of everything that did not fail are kept."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failures:
    """The stages of a run that failed, in order: stage, system or field, error."""

    entries: list[tuple[str, str, Exception]] = field(default_factory=list)

    @contextmanager
    def recorded(self, stage: str, what: str) -> Iterator[None]:
        """Record an exception of the block instead of raising it: foreign rerankers and servers may raise anything."""
        try:
            yield
        except Exception as error:
            log.info("%s, %s failed", stage, what, exc_info=error)
            self.entries.append((stage, what, error))

    def raise_first(self) -> None:
        """Raise the first recorded error, if any: for a run of which nothing else is left."""
        if self.entries:
            raise self.entries[0][2]

    def to_json(self) -> list[dict[str, str]]:
        """Entries of results.json: `{stage, what, error}`."""
        return [
            {"stage": stage, "what": what, "error": f"{type(error).__name__}: {error}"}
            for stage, what, error in self.entries
        ]
