"""Voyage AI's embedding protocol: OpenAI's with an input type."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from refimpl.dense.remote import Kind, RemoteEmbeddingFunction, check_choice, embeddings_address, given

INPUT_TYPES: dict[Kind, str] = {"document": "document", "query": "query"}
ANY_WIDTH = (1024, 256, 512, 2048)
WIDTHS = {
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
}
"""Each model's widths as Voyage documents them, its own first."""


class VoyageEmbeddingFunction(RemoteEmbeddingFunction):
    """Embeds by Voyage AI's `POST /v1/embeddings`: documents and queries with their `input_type`, a plain call without.

    `embedding_type` is "float" or None; others are refused, since vectors are float32 here. `truncate=False` makes the
    server refuse what is too long, None leaves it to the server. `encoding_format` "base64" asks for the same numbers
    in a quarter of the bytes. The key is `api_key`, or `VOYAGE_API_KEY` for Voyage's own address. Requests hold at most
    `batch_size` texts (Voyage's limit is 1,000) and 120,000 bytes, so that they keep every model's limit of tokens.
    """

    HOME: ClassVar[str | None] = "https://api.voyageai.com/v1"
    KEY_VARIABLES: ClassVar[tuple[str, ...]] = ("VOYAGE_API_KEY",)
    MAX_TEXTS: ClassVar[int] = 1000
    MAX_BYTES: ClassVar[int | None] = 120_000
    DIMS: ClassVar[Mapping[str, int]] = {model: widths[0] for model, widths in WIDTHS.items()}

    def __init__(
        self,
        model_name: str = "voyage-3-large",
        api_key: str | None = None,
        embedding_type: str | None = None,
        truncate: bool | None = None,
        dimension: int | None = None,
        *,
        encoding_format: Literal["base64"] | None = None,
        base_url: str = "https://api.voyageai.com/v1",
        timeout_s: float = 60.0,
        max_retries: int = 3,
        batch_size: int | None = None,
        allow_http: bool = False,
    ) -> None:
        check_choice("embedding_type", embedding_type or "float", ("float",))
        check_choice("encoding_format", encoding_format or "base64", ("base64",))
        widths = WIDTHS.get(model_name)
        if widths and dimension is not None and dimension not in widths:
            raise ValueError(f"{model_name} gives vectors of {' or '.join(map(str, widths))} columns, not {dimension}")
        self.truncate = truncate
        self._options = given(
            truncation=truncate,
            output_dimension=dimension,
            output_dtype=embedding_type,
            encoding_format=encoding_format,
        )
        super().__init__(
            model_name,
            api_key,
            embeddings_address(base_url),
            dimensions=dimension,
            timeout_s=timeout_s,
            max_retries=max_retries,
            batch_size=batch_size,
            allow_http=allow_http,
        )

    def _body(self, texts: list[str], kind: Kind) -> dict[str, Any]:
        input_type = INPUT_TYPES.get(kind)
        return {"model": self.model_name, "input": texts, **given(input_type=input_type), **self._options}
