"""Reciprocal rank fusion on one page: several rankings become one.

    python rrf.py RUN RUN [RUN ...]

A RUN is a file as trec_eval reads it: `query Q0 document rank score name` per line. Prints the fused run in the same
format. Needs nothing but Python. Example: first in both of two rankings is 1/61 + 1/61 = 0.032787.
"""

# Python's own modules.
import sys
from collections import defaultdict
from pathlib import Path


# **The formula** (Cormack, Clarke and Büttcher 2009). Only ranks count, not scores, because the scores of
# two systems have no common scale. `[[document, best first]] -> {document: score}`
def rrf(rankings, k=60):
    scores = defaultdict(float)
    for ranking in rankings:
        # Ranks begin at 1. A ranking that lacks a document adds nothing to it. The paper's k is 60: the larger it is,
        # the less the first ranks differ from the next.
        for rank, document in enumerate(ranking, start=1):
            scores[document] += 1 / (k + rank)
    # Best first. Equal scores are frequent here: they need a rule, so that the result is the same each time. Ours is
    # ascending id, as in Milvus.
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))


# **A run**: each query's documents by descending score. trec_eval, too, ignores the column of ranks; where scores are
# equal it orders ids descending. `file -> {query: [document]}`
def read(file):
    hits = defaultdict(list)
    for line in Path(file).read_text("utf-8").splitlines():
        query, _, document, _, score, _ = line.split()
        hits[query].append((float(score), document))
    return {query: [document for _, document in sorted(found, reverse=True)] for query, found in hits.items()}


# **From the command line**: every query that one of the runs has.
def main(*files):
    runs = [read(file) for file in files]
    for query in dict.fromkeys(query for run in runs for query in run):
        fused = rrf([run[query] for run in runs if query in run])
        for rank, (document, score) in enumerate(fused.items(), start=1):
            print(f"{query} Q0 {document} {rank} {score:.9f} rrf")


if __name__ == "__main__":
    main(*sys.argv[1:])
