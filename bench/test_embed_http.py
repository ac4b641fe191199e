"""Embed over HTTP on loopback: `refimpl serve` with refimpl's clients, beside the same model called directly.

Each provider's client is raced against the provider's SDK and a plain `requests.post` on the same server: the
difference is what a client adds. OpenAI's base64 is a quarter of the bytes of decimal text, and is shown both ways.
"""

from typing import Any

import numpy as np
import pytest

from bench.checks import close
from bench.embed_clients import RACED, clients
from bench.race import Competitor, Race
from bench.texts import fingerprint, texts
from refimpl.dense.minilm import MiniLMEmbeddingFunction
from refimpl.dense.openai import OpenAIEmbeddingFunction

COUNTS = [1, 64]
ONE_REQUEST = 32  # TEI's limit, and below every other's
ATOL = 1e-6
LOCAL = "refimpl, local"
BASE64 = ("refimpl, HTTP", "openai")  # both request base64 by default


@pytest.fixture(scope="module")
def local() -> MiniLMEmbeddingFunction:
    return MiniLMEmbeddingFunction()


@pytest.mark.parametrize("count", COUNTS)
def test_embed_http(race: Race, reference_url: str, local: MiniLMEmbeddingFunction, count: int) -> None:
    documents = texts("short", count)
    plain = OpenAIEmbeddingFunction("m", base_url=reference_url, encoding_format="float")
    sides: dict[str, Any] = {LOCAL: local.encode_documents, "refimpl, HTTP as text": plain.encode_documents}
    sides |= clients(RACED["OpenAI"], reference_url)
    _race(race, sides, local, documents, f"{count} texts", BASE64, size=count)


@pytest.mark.parametrize("name", [name for name in RACED if name != "OpenAI"])
def test_embed_http_by_provider(race: Race, reference_url: str, local: MiniLMEmbeddingFunction, name: str) -> None:
    sides = clients(RACED[name], reference_url)
    _race(race, sides, local, texts("short", ONE_REQUEST), f"{name}, {ONE_REQUEST} texts")


def _race(
    race: Race,
    sides: dict[str, Any],
    local: MiniLMEmbeddingFunction,
    documents: list[str],
    case: str,
    base64: tuple[str, ...] = (),
    **facts: Any,
) -> None:
    expected = local.encode_documents(documents)
    settings = {name: {"encoding": "base64" if name in base64 else "float"} for name in sides if name != LOCAL}
    race(
        {
            name: Competitor(lambda encode=encode: np.asarray(encode(documents)), settings=settings.get(name, {}))
            for name, encode in sides.items()
        },
        stage="embed over HTTP",
        case=case,
        work=len(documents),
        unit="texts",
        check=lambda _, answer: close(answer, expected, ATOL),
        data=fingerprint(documents),
        **facts,
    )
