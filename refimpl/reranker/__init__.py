"""Rerankers: a query and its candidate documents to the best few; remote ones local ones in numpy."""

from refimpl.reranker.cohere import CohereRerankFunction
from refimpl.reranker.cross_encoder import CrossEncoderRerankFunction
from refimpl.reranker.jina import JinaRerankFunction
from refimpl.reranker.maxsim import MaxSimRerankFunction
from refimpl.reranker.tei import TEIRerankFunction
from refimpl.reranker.voyageai import VoyageRerankFunction

__all__ = [
    "CohereRerankFunction",
    "CrossEncoderRerankFunction",
    "JinaRerankFunction",
    "MaxSimRerankFunction",
    "TEIRerankFunction",
    "VoyageRerankFunction",
]
