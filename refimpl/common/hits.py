"""The number of hits that a search returns per query, before arrays of that many columns are allocated."""

MOST_HITS = 16_384
"""Milvus' limit for the hits per query."""


def check_hits(k: int, candidates: int) -> int:
    """Return `k`; ValueError where it is below 1, or beyond both the number of candidates and Milvus' limit.

    Hits beyond the last candidate are padding, for which memory would be allocated all the same.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if k > max(candidates, MOST_HITS):
        raise ValueError(f"k must be at most {max(candidates, MOST_HITS)} for {candidates} documents, got {k}")
    return k
