"""Rows of scores from the hits of an engine, for the adapters beside it."""


def score_rows(corpus, queries, hits):
    """One row of scores per query; `hits(terms)` gives pairs of document number and score for a query with terms."""
    rows = []
    for query in queries:
        row = [0.0] * len(corpus)
        if terms := query.split():
            for number, score in hits(terms):
                row[number] = float(score)
        rows.append(row)
    return rows
