"""Voyage AI's APIs: embeddings are OpenAI's with an input type; reranking has `top_k` and `data` for others' names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from refimpl.base import RerankResult
from refimpl.providers import writing
from refimpl.providers.fields import NO_CALIBRATION, choice
from refimpl.providers.provider import Provider
from refimpl.providers.requests import RerankRequest
from refimpl.providers.services import EmbeddingService, RerankService

ANY_WIDTH = (1024, 256, 512, 2048)
OUTPUT_DTYPE = choice("output_dtype", "float", "binary", "ubinary", role="type", reason=NO_CALIBRATION)


@dataclass(frozen=True, kw_only=True)
class VoyageRerankService(RerankService):
    """Reranking whose results are under `data`, echoed texts being plain strings."""

    def write(self, request: RerankRequest, results: Sequence[RerankResult], tokens: int, model: str) -> Any:
        """Voyage's response."""
        entries = writing.rerank_entries(results, lambda text: {"document": text}, echo=request.echo)
        return {"object": "list", "data": entries, "model": model, "usage": {"total_tokens": tokens}}


VOYAGE = Provider(
    name="voyage",
    title="Voyage",
    home="https://api.voyageai.com/v1",
    key_variables=("VOYAGE_API_KEY",),
    invalid_status=400,
    unknown_field=(400, "Argument '{name}' is not supported by our API"),
    embeddings=(
        EmbeddingService(
            path="/v1/embeddings",
            extra_paths=("/embeddings",),
            version_only_without_path=True,
            kind_field="input_type",
            kinds={"document": "document", "query": "query"},
            encoding_field="encoding_format",
            width_field="output_dimension",
            truncate_field="truncation",
            fields=(OUTPUT_DTYPE,),
            max_texts=1000,
            max_bytes=120_000,  # keeps every model's limit of tokens
            check_options={"truncation": True},
            widths={
                "voyage-3.5": ANY_WIDTH,
                "voyage-3.5-lite": ANY_WIDTH,
                "voyage-3-large": ANY_WIDTH,
                "voyage-code-3": ANY_WIDTH,
                "voyage-3": (1024,),
                "voyage-3-lite": (512,),
                "voyage-finance-2": (1024,),
                "voyage-multilingual-2": (1024,),
                "voyage-law-2": (1024,),
                "voyage-large-2": (1536,),
                "voyage-code-2": (1536,),
                "voyage-2": (1024,),
                "voyage-lite-02-instruct": (1024,),
            },
        ),
    ),
    rerank=(
        VoyageRerankService(
            path="/v1/rerank",
            other_names=("reranking",),
            top_n_field="top_k",
            truncate_field="truncation",
            takes_objects=False,
            echo_field="return_documents",
            echoes_by_default=True,
            max_texts=1000,
            options={"truncation": True},
        ),
    ),
)
