"""Clients of each provider's embedding API, all on one server: refimpl's, the provider's SDK, a plain `requests.post`.

Addresses and requests are those of `refimpl.providers`; a provider that is added there is raced too. Only the calls of
the SDKs are written here.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import requests

from bench import peers
from refimpl.check.targets.endpoint import read_vectors
from refimpl.dense.remote import RemoteEmbeddingFunction
from refimpl.providers import PROVIDERS, EmbeddingService, Provider

Encode = Callable[[list[str]], Any]
RACED = {one.title: one for one in PROVIDERS.values() if one.embeddings and one.system}
"""Providers by the name that reports print."""


def clients(provider: Provider, url: str) -> dict[str, Encode]:
    """Every installed client of the provider's embedding API at `url`, by its competitor's name."""
    service = raced_service(provider)
    session = requests.Session()
    decimal = {**service.options, **(service.check_options or {})}

    def by_requests(texts: list[str]) -> np.ndarray:
        body = service.body("m", texts, "document", decimal)
        answer = session.post(url + service.path, json=body, timeout=60).json()
        return np.array(read_vectors(answer), dtype=np.float32)

    ours = RemoteEmbeddingFunction(provider.name, "m", base_url=url + service.path)
    competitors: dict[str, Encode] = {"refimpl, HTTP": ours.encode_documents, "requests": by_requests}
    if provider.name in SDKS:
        module, by_sdk = SDKS[provider.name]
        if (sdk := peers.get(module)) is not None:
            competitors[module] = by_sdk(sdk, url)
    return competitors


def raced_service(provider: Provider) -> EmbeddingService:
    """The service that a check uses, too: the provider's own where it has several."""
    service = provider.checked()["embed"]
    assert isinstance(service, EmbeddingService)
    return service


def _openai(sdk: Any, url: str) -> Encode:
    client = sdk.OpenAI(api_key="none", base_url=f"{url}/v1")
    return lambda texts: [each.embedding for each in client.embeddings.create(model="m", input=texts).data]


def _voyage(sdk: Any, url: str) -> Encode:
    embed = sdk.Client(api_key="none", base_url=f"{url}/v1").embed
    return lambda texts: embed(texts, model="m", input_type="document").embeddings


def _cohere(sdk: Any, url: str) -> Encode:
    embed = partial(sdk.ClientV2("none", base_url=url).embed, model="m", input_type="search_document")
    return lambda texts: embed(texts=texts, embedding_types=["float"]).embeddings.float_


def _hub(sdk: Any, url: str) -> Encode:
    return sdk.InferenceClient(f"{url}/embed").feature_extraction


SDKS: Mapping[str, tuple[str, Callable[[Any, str], Encode]]] = MappingProxyType(
    {
        "openai": ("openai", _openai),
        "voyage": ("voyageai", _voyage),
        "cohere": ("cohere", _cohere),
        "tei": ("huggingface_hub", _hub),
    }
)
"""Module of a provider's SDK and its client, by provider."""
