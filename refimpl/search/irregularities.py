"""What does not fit together in a run's data and results, in sentences, from results.json."""

from collections.abc import Mapping
from typing import Any

TEXTS = {
    "judgements_of_absent_documents": "judgements are of documents that the collection lacks: such a document is never "
    "retrieved.",
    "judged_queries_without_text": "queries have judgements and no text: they were left out.",
}


def irregularities(results: Mapping[str, Any]) -> list[str]:
    """One sentence per kind: absent documents and queries, queries that are documents, truncated texts, no hits."""
    data = results.get("dataset", {})
    sentences = [f"{data[key]} {text}" for key, text in TEXTS.items() if data.get(key)]
    if data.get("ignore_identical_ids"):
        sentences.append("Documents whose id is the query's are left out of the results, as BEIR does.")
    elif data.get("queries_that_are_documents"):
        sentences.append(
            f"{data['queries_that_are_documents']} queries are documents of the collection by id and text, which "
            "count as any other: --ignore-identical-ids leaves them out of the results, as BEIR does for ArguAna."
        )
    if truncated := results.get("store", {}).get("truncated_texts"):
        sentences.append(f"{truncated} texts were truncated to 65,535 bytes, Milvus' limit.")
    for name, system in results.get("systems", {}).items():
        if missing := system.get("queries_without_hits"):
            sentences.append(f"{name}: {missing} of {data.get('queries')} queries have no hits and count as 0.")
    return sentences
