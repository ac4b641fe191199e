"""Words of the compared texts that a target drops, each measured by a document and a query of that word alone."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from refimpl.diagnosis.bm25_analyses import CASES, SPLITS, STEMS, Analysis, Steps
from refimpl.identify import collection
from refimpl.identify.ask import Probe, Refusal, Target, ask
from refimpl.identify.probes import SETTINGS

MOST_WORDS = 600  # that are measured, in one call
MOST_NAMED = 8


def dropped_words(target: Target, words: Sequence[str]) -> frozenset[str] | None:
    """Those of `words` whose query finds no document, not even the word itself; None where it cannot be measured."""
    if not 0 < len(words) <= MOST_WORDS:
        return None
    probe = Probe(tuple(words), tuple(words), *SETTINGS["first"])
    answer = ask(target, {"words": probe}).by_name["words"]
    if isinstance(answer, Refusal):
        return None
    kept = np.array([row[number] != collection.background_of(row) for number, row in enumerate(answer)])
    return frozenset(word for word, found in zip(words, kept, strict=True) if not found) if kept.any() else None


def without_dropped(target: Target, suite: Sequence[str], probes: Sequence[str]) -> Iterator[Analysis]:
    """Each way to split without a filter, with those words of the texts that the target drops in the filter's place.

    Words of the texts `suite` are named, those of `probes` are not.
    """
    for split, case in itertools.product(SPLITS, CASES):
        plain = Steps(split, case, "", "")
        named, others = (sorted({word for text in texts for word in plain(text)}) for texts in (suite, probes))
        if dropped := dropped_words(target, list(dict.fromkeys([*named, *others]))):
            of_suite = [word for word in named if word in dropped]
            for stem, counts in itertools.product(STEMS, (False, True)):
                documents = replace(plain, stem=stem, dropped=dropped, counts_removed=counts)
                which = f"those of the suite's {len(named)} words that match nothing: {_listed(of_suite)}"
                name = f"{documents.words}, without {which}"
                yield Analysis(name, documents, replace(documents, counts_removed=False))


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:MOST_NAMED]) + (f" and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else "")
