"""The suites of a check: one module per suite."""

from refimpl.check.suites.base import Suite
from refimpl.check.suites.bm25 import BM25Suite
from refimpl.check.suites.encoder import EncoderSuite
from refimpl.check.suites.fusion import FusionSuite
from refimpl.check.suites.intermediates import IntermediatesSuite
from refimpl.check.suites.metrics import MetricsSuite
from refimpl.check.suites.rerank import RerankSuite
from refimpl.check.suites.rerank_scores import RerankScoresSuite
from refimpl.check.suites.splade import SpladeSuite
from refimpl.check.suites.tokenizer import TokenizerSuite

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
