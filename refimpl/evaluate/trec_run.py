"""TREC run files, and scores and ids that a run may have."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refimpl.common.atomic import write_atomically
from refimpl.common.text_files import check_id, decimal, decoded, numbered

Run = dict[str, dict[str, float]]


def write_run(run: Mapping[str, Mapping[str, float]], path: Path, tag: str) -> None:
    """Save a run in TREC's format, `query_id Q0 doc_id rank score tag`, best first; scores read back exactly.

    The write is atomic. Raises ValueError for an id that is empty or contains white space, which the format does not
    allow, and OSError where `path` cannot be written.
    """
    check_scores(run)
    lines = []
    for query_id, scores in run.items():
        ranked = sorted(scores.items(), key=lambda hit: -hit[1])  # stable: ties keep the order of the run
        for rank, (doc_id, score) in enumerate(ranked, 1):
            lines.append(
                f"{check_trec_id(query_id)} Q0 {check_trec_id(doc_id)} {rank} {score!r} {check_trec_id(tag)}\n"
            )
    write_atomically(path, "".join(lines))


def read_run(path: Path) -> Run:
    """A TREC run file as `{query_id: {doc_id: score}}`; a byte order mark at its start is skipped.

    Raises ValueError, with file and line number, for a line that is not UTF-8 or has not six fields, for an id that
    `refimpl.common.text_files.check_id` refuses, a document twice, and a score that is not a finite decimal number.
    """
    run: Run = {}
    with path.open("rb") as stream:
        for number, line in numbered(stream):
            try:
                query_id, doc_id, score = _hit(decoded(line, first=number == 1))
                scores = run.setdefault(query_id, {})
                if doc_id in scores:
                    raise ValueError(f"query {query_id} has document {doc_id} twice")
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
            scores[doc_id] = score
    return run


def _hit(line: str) -> tuple[str, str, float]:
    fields = line.split()
    if len(fields) != 6:
        raise ValueError(f"expected 6 fields, qid Q0 docid rank score tag, got {line!r:.200}")
    check_id(fields[0], "the query id")
    check_id(fields[2], "the document id")
    return fields[0], fields[2], decimal(fields[4], "score")


def check_scores(run: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ValueError, with query and document, for a score that is not finite."""
    for query_id, scores in run.items():
        for doc_id, score in scores.items():
            if not math.isfinite(score):
                raise ValueError(f"query {query_id!r}, document {doc_id!r}: the score must be finite, got {score!r}")


def check_trec_id(text: str) -> str:
    """Return `text`; ValueError for an id that a TREC run cannot have: empty, or with white space."""
    if not text or text.split() != [text]:
        raise ValueError(f"an id in a TREC run must not be empty or contain white space, got {text!r}")
    return text
