"""Diagnosis of a mismatch: known deviations, alone and in pairs, ranked by how well they reproduce an output."""

from refimpl.diagnosis.bm25 import diagnose_bm25
from refimpl.diagnosis.embeddings import diagnose_embeddings
from refimpl.diagnosis.fusion import diagnose_fusion
from refimpl.diagnosis.metrics import diagnose_metrics
from refimpl.diagnosis.rerank import diagnose_rerank
from refimpl.diagnosis.result import Cause, Diagnosis
from refimpl.diagnosis.splade import diagnose_splade
from refimpl.diagnosis.token_ids import diagnose_tokens
from refimpl.diagnosis.trace import diagnose_trace

__all__ = [
    "Cause",
    "Diagnosis",
    "diagnose_bm25",
    "diagnose_embeddings",
    "diagnose_fusion",
    "diagnose_metrics",
    "diagnose_rerank",
    "diagnose_splade",
    "diagnose_tokens",
    "diagnose_trace",
]
