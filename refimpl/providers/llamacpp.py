"""llama.cpp's server: OpenAI's embeddings, Jina's reranking without echoed texts, its own tokenisation."""

from refimpl.providers.fields import only
from refimpl.providers.openai import error_with_code
from refimpl.providers.provider import Provider
from refimpl.providers.services import EmbeddingService, RerankService, TokenService

MAX_TEXTS = 32

LLAMACPP = Provider(
    name="llamacpp",
    title="llama.cpp",
    error=error_with_code,
    invalid_status=400,
    system=False,  # reached as openai:MODEL@ADDRESS
    embeddings=(
        EmbeddingService(
            path="/v1/embeddings",
            extra_paths=("/embeddings",),
            version_only_without_path=True,
            encoding_field="encoding_format",
            takes_ids=True,
            max_texts=MAX_TEXTS,
            options={"encoding_format": "base64"},
            check_options={"encoding_format": "float"},
        ),
    ),
    rerank=(
        RerankService(
            path="/v1/rerank",
            extra_paths=("/rerank", "/reranking", "/v1/reranking"),
            other_names=("reranking",),
            max_texts=MAX_TEXTS,
        ),
    ),
    tokens=TokenService(
        path="/tokenize",
        texts_field="content",
        sends_model=False,
        one_text=True,
        max_texts=1,
        special_field="add_special",
        special_by_default=False,
        fields=(only("with_pieces", False, "tokens are ids alone"),),
        options={"add_special": True},
    ),
)
