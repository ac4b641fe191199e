"""Why an output is not the reference's: known causes, alone and in pairs, ranked by how well they reproduce it."""

from refimpl.oracle.diagnosis.bm25 import diagnose_bm25
from refimpl.oracle.diagnosis.embeddings import diagnose_embeddings
from refimpl.oracle.diagnosis.metrics import diagnose_metrics
from refimpl.oracle.diagnosis.rerank import diagnose_rerank
from refimpl.oracle.diagnosis.splade import diagnose_splade
from refimpl.oracle.diagnosis.token_ids import diagnose_tokens
from refimpl.oracle.diagnosis.trace import diagnose_trace
from refimpl.oracle.diagnosis.verdict import Cause, Diagnosis

__all__ = [
    "Cause",
    "Diagnosis",
    "diagnose_bm25",
    "diagnose_embeddings",
    "diagnose_metrics",
    "diagnose_rerank",
    "diagnose_splade",
    "diagnose_tokens",
    "diagnose_trace",
]
