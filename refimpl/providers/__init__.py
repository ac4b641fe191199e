"""Remote providers: one record each, from which clients, check targets, serve routes, systems and benchmarks derive.

`PROVIDERS` is the registry. Where several providers share a path, `refimpl serve` responds in the format of the first.
"""

from refimpl.providers.cohere import COHERE
from refimpl.providers.gemini import GEMINI
from refimpl.providers.jev import JEV
from refimpl.providers.jina import JINA
from refimpl.providers.llamacpp import LLAMACPP
from refimpl.providers.mistral import MISTRAL
from refimpl.providers.nomic import NOMIC
from refimpl.providers.openai import OPENAI
from refimpl.providers.provider import Provider
from refimpl.providers.services import EmbeddingService, RerankService, SparseService, TokenService
from refimpl.providers.tei import TEI
from refimpl.providers.voyage import VOYAGE

PROVIDERS = {one.name: one for one in (OPENAI, JINA, VOYAGE, COHERE, TEI, LLAMACPP, MISTRAL, NOMIC, GEMINI, JEV)}

__all__ = [
    "PROVIDERS",
    "EmbeddingService",
    "Provider",
    "RerankService",
    "SparseService",
    "TokenService",
    "provider_named",
]


def provider_named(name: str) -> Provider:
    """The record of that name; ValueError, with the names that there are, for an unknown one."""
    if name not in PROVIDERS:
        raise ValueError(f"provider must be one of {', '.join(PROVIDERS)}, got {name!r}")
    return PROVIDERS[name]
