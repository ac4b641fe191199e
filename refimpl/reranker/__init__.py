"""Rerankers, with the names of `pymilvus.model.reranker`: models in numpy, and clients of remote services."""

from typing import TYPE_CHECKING

from refimpl.common.lazy import lazy_exports

if TYPE_CHECKING:
    from refimpl.reranker.bgereranker import BGERerankFunction as BGERerankFunction
    from refimpl.reranker.cohere import CohereRerankFunction as CohereRerankFunction
    from refimpl.reranker.cross_encoder import CrossEncoderRerankFunction as CrossEncoderRerankFunction
    from refimpl.reranker.jev import JevRerankFunction as JevRerankFunction
    from refimpl.reranker.jinaai import JinaRerankFunction as JinaRerankFunction
    from refimpl.reranker.maxsim import MaxSimRerankFunction as MaxSimRerankFunction
    from refimpl.reranker.qwen3 import Qwen3RerankFunction as Qwen3RerankFunction
    from refimpl.reranker.tei import TEIRerankFunction as TEIRerankFunction
    from refimpl.reranker.voyageai import VoyageRerankFunction as VoyageRerankFunction
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "bgereranker": ("BGERerankFunction",),
            "cohere": ("CohereRerankFunction",),
            "cross_encoder": ("CrossEncoderRerankFunction",),
            "jev": ("JevRerankFunction",),
            "jinaai": ("JinaRerankFunction",),
            "maxsim": ("MaxSimRerankFunction",),
            "qwen3": ("Qwen3RerankFunction",),
            "tei": ("TEIRerankFunction",),
            "voyageai": ("VoyageRerankFunction",),
        },
    )
