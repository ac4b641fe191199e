"""What a check asks: one file a suite."""

from refimpl.oracle.suites.base import Suite
from refimpl.oracle.suites.bm25 import BM25Suite
from refimpl.oracle.suites.encoder import EncoderSuite
from refimpl.oracle.suites.fusion import FusionSuite
from refimpl.oracle.suites.intermediates import IntermediatesSuite
from refimpl.oracle.suites.metrics import MetricsSuite
from refimpl.oracle.suites.rerank import RerankSuite
from refimpl.oracle.suites.rerank_scores import RerankScoresSuite
from refimpl.oracle.suites.splade import SpladeSuite
from refimpl.oracle.suites.tokenizer import TokenizerSuite

SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        EncoderSuite(),
        TokenizerSuite(),
        IntermediatesSuite(),
        BM25Suite(),
        SpladeSuite(),
        RerankSuite(),
        RerankScoresSuite(),
        FusionSuite(),
        MetricsSuite(),
    )
}
