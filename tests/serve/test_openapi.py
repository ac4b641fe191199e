"""The served OpenAPI description, tried with schemathesis' requests, valid and invalid ones."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance

from refimpl import SpladeEmbeddingFunction
from refimpl.providers.fields import Served
from refimpl.providers.parsing import is_ids
from refimpl.serve.limits import Limits
from refimpl.serve.openapi import description
from refimpl.serve.routes import routes

Serve = Callable[..., str]
REFUSED = {"negative_data_rejection": {"expected-statuses": ["400", "413", "415", "422"]}}
LIMITS = Limits(max_documents=8, max_text_chars=200)  # a text of so few characters is never too long for the model
SERVED = Served(dim=384, max_length=256, vocab=30522, max_texts=LIMITS.max_documents, max_chars=LIMITS.max_text_chars)
DOCUMENT = description(routes(SERVED), SERVED, key_needed=False)

SAME = [
    "/embeddings",
    "/v1/embed",
    "/v1/reranking",
    "/v1/models/{model}:batchEmbedContents",
]  # as another path, which is tried

config = SchemathesisConfig.from_dict({"checks": REFUSED})
schema = schemathesis.openapi.from_dict(DOCUMENT, config=config).exclude(path=SAME)


@pytest.fixture(scope="module")
def limited_url(serve: Serve) -> str:
    return serve(limits=LIMITS, splade=SpladeEmbeddingFunction("splade-tiny"))


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.mark.slow
@schema.parametrize()
@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_valid_requests_are_computed_and_others_refused(case: Any, limited_url: str, session: requests.Session) -> None:
    """No schema states that token ids begin and end a text, or that no question is left out: others are refused."""
    body = case.body if isinstance(case.body, dict) else {}
    questions = body.get("questions") if isinstance(body.get("questions"), dict) else {}
    beyond = is_ids(body.get("input")) or is_ids(body.get("inputs"))
    beyond = beyond or questions.keys() != {f"d{index}" for index in range(len(questions))}
    case.call_and_validate(limited_url, session, excluded_checks=[positive_data_acceptance] if beyond else [])


def test_the_description_is_served(limited_url: str) -> None:
    assert requests.get(f"{limited_url}/openapi.json", timeout=60).json() == DOCUMENT
    assert {"/", "/embed", "/v1/embeddings", "/v2/rerank", "/similarity", "/reranking"} <= DOCUMENT["paths"].keys()


def test_the_key_is_described(locked_url: str) -> None:
    headers = {"Authorization": "Bearer the-key"}
    document = requests.get(f"{locked_url}/openapi.json", timeout=60, headers=headers).json()
    assert document["security"] == [{"key": []}, {"x-goog-api-key": []}]
    schemes = document["components"]["securitySchemes"]
    assert schemes["key"] == {"type": "http", "scheme": "bearer"}
    assert schemes["x-goog-api-key"] == {"type": "apiKey", "in": "header", "name": "x-goog-api-key"}
