"""Jina AI's APIs: embeddings are OpenAI's with a task; vLLM, Infinity, Xinference, LocalAI have its reranking too."""

from refimpl.providers.fields import choice, choices, flag, only
from refimpl.providers.provider import Provider
from refimpl.providers.services import EmbeddingService, RerankService

TASKS = (
    "retrieval.passage",
    "retrieval.query",
    "retrieval",
    "text-matching",
    "classification",
    "separation",
    "code",
    "code.passage",
    "code.query",
)
"""Tasks of jina-embeddings-v3 and v4: each chooses an adapter of the model, of which other models have none."""

JINA = Provider(
    name="jina",
    title="Jina",
    home="https://api.jina.ai/v1",
    key_variables=("JINAAI_API_KEY",),
    unknown_field=(422, "Extra inputs are not permitted: body -> {name}"),
    embeddings=(
        EmbeddingService(
            path="/v1/embeddings",
            extra_paths=("/embeddings",),
            version_only_without_path=True,
            kind_field="task",
            kinds={"document": "retrieval.passage", "query": "retrieval.query"},
            encoding_field="embedding_type",
            truncate_field="truncate",
            takes_objects=True,
            fields=(
                choice("task", *TASKS),
                choices("embedding_type", "float", "base64", "binary", "ubinary", role="encoding", most=1),
                flag("normalized", "normalize"),
                only("late_chunking", False, "each text is encoded by itself"),
                only("return_multivector", False, "a text has one vector"),
            ),
            max_texts=512,
            options={"embedding_type": "float", "task": "retrieval.passage"},
            check_options={"task": None, "normalized": True, "truncate": True},
            widths={
                "jina-embeddings-v4": (2048,),
                "jina-embeddings-v3": (1024,),
                "jina-embeddings-v2-base-en": (768,),
                "jina-embeddings-v2-base-de": (768,),
                "jina-embeddings-v2-base-es": (768,),
                "jina-embeddings-v2-base-zh": (768,),
                "jina-embeddings-v2-base-code": (768,),
                "jina-embeddings-v2-small-en": (512,),
            },
        ),
    ),
    rerank=(
        RerankService(
            path="/v1/rerank",
            other_names=("reranking",),
            echo_field="return_documents",
            fields=(flag("raw_scores", "raw_scores"),),  # Infinity's
            echoes_by_default=True,
            max_texts=1024,
            options={"return_documents": False},
        ),
    ),
)
