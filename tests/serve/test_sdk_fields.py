"""The official SDKs with the request fields that change an answer, and the frameworks that build on them."""

import base64
from typing import Any

import numpy as np
import pytest

from refimpl import golden
from refimpl.serve.engine import Engine

pytestmark = pytest.mark.peer

KEY = "the-key"
QUERY = "Which planet is known as the Red Planet?"
DOCUMENTS = ["Venus is Earth's twin.", "Mars is often called the Red Planet.", "Jupiter is the largest planet."]
PUBLISHED = ("published-1", "published-2", "published-query")
TEXTS = [golden.texts()[name] for name in PUBLISHED]
LONG = "alpha " * 254 + "beta " * 254  # twice as many tokens as the model reads


def published(stage: str) -> np.ndarray:
    """transformers' vectors of TEXTS, in float64."""
    (vectors,) = [golden.array(one) for one in golden.vectors() if one.name == f"minilm/float64.safetensors:{stage}"]
    return vectors[[list(golden.texts()).index(name) for name in PUBLISHED]]


def assert_vectors(found: Any, stage: str = "normalized", atol: float = 1e-6) -> None:
    np.testing.assert_allclose(np.array(found), published(stage), rtol=0, atol=atol)


class TestHuggingFaceHub:
    @pytest.fixture
    def client(self, locked_url: str) -> Any:
        from huggingface_hub import InferenceClient

        return InferenceClient(locked_url, token=KEY)

    def test_feature_extraction_at_the_root(self, client: Any) -> None:
        assert_vectors(client.feature_extraction(TEXTS))
        assert_vectors(client.feature_extraction(TEXTS, normalize=False), "pooled", atol=1e-5)

    def test_truncation_direction(self, client: Any) -> None:
        left, right = (
            client.feature_extraction(LONG, truncate=True, truncation_direction=side)[0] for side in ("left", "right")
        )
        beta, alpha = client.feature_extraction(["beta " * 254, "alpha " * 254])
        np.testing.assert_allclose([left, right], [beta, alpha], rtol=0, atol=1e-6)

    def test_a_prompt_that_the_model_has_not(self, client: Any) -> None:
        from huggingface_hub.errors import HfHubHTTPError

        with pytest.raises(HfHubHTTPError, match="422"):
            client.feature_extraction("a", prompt_name="query")

    def test_sentence_similarity(self, client: Any, locked_url: str) -> None:
        found = client.sentence_similarity(TEXTS[2], TEXTS[:2], model=f"{locked_url}/similarity")
        *documents, query = published("normalized")
        assert found == pytest.approx([float(one @ query) for one in documents], abs=1e-6)


class TestOpenAi:
    @pytest.fixture
    def client(self, locked_url: str) -> Any:
        import openai

        return openai.OpenAI(api_key=KEY, base_url=f"{locked_url}/v1", max_retries=0)

    def test_models(self, client: Any) -> None:
        assert [one.id for one in client.models.list()] == ["all-MiniLM-L6-v2", "maxsim"]
        assert client.models.retrieve("all-MiniLM-L6-v2").object == "model"

    def test_token_ids_of_transformers(self, client: Any) -> None:
        from transformers import AutoTokenizer

        from refimpl import models

        ids = AutoTokenizer.from_pretrained(str(models.path("all-MiniLM-L6-v2")))(TEXTS)["input_ids"]
        assert_vectors([one.embedding for one in client.embeddings.create(model="any", input=ids).data])
        (alone,) = client.embeddings.create(model="any", input=ids[0]).data
        np.testing.assert_allclose(alone.embedding, published("normalized")[0], rtol=0, atol=1e-6)

    def test_an_unknown_field(self, client: Any) -> None:
        import openai

        with pytest.raises(openai.BadRequestError, match="Unrecognized request argument supplied: late_chunking"):
            client.embeddings.create(model="any", input="a", extra_body={"late_chunking": True, "user": "b"})


class TestLangChainOpenAi:
    def test_texts(self, locked_url: str) -> None:
        from langchain_openai import OpenAIEmbeddings

        model = OpenAIEmbeddings(
            model="any", api_key=KEY, base_url=f"{locked_url}/v1", check_embedding_ctx_length=False, max_retries=0
        )
        assert_vectors(model.embed_documents(TEXTS))

    def test_its_default_of_tiktokens_ids_is_refused(self, locked_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        import openai
        import tiktoken
        from langchain_openai import OpenAIEmbeddings

        ranks = {bytes([byte]): byte for byte in range(256)}
        of_bytes = tiktoken.Encoding("bytes", pat_str=".", mergeable_ranks=ranks, special_tokens={})
        monkeypatch.setattr(tiktoken, "encoding_for_model", lambda _: of_bytes)  # the real one is downloaded
        model = OpenAIEmbeddings(model="any", api_key=KEY, base_url=f"{locked_url}/v1", max_retries=0)
        with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
            model.embed_documents(TEXTS)


class TestLlamaIndex:
    def test_embeddings_of_tei(self, locked_url: str) -> None:
        from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference

        model = TextEmbeddingsInference(
            "any", locked_url, text_instruction="", query_instruction="", embed_batch_size=2, auth_token=KEY
        )
        assert_vectors(model.get_text_embedding_batch(TEXTS))

    def test_reranking_of_tei(self, locked_url: str, engine: Engine) -> None:
        from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
        from llama_index.postprocessor.tei_rerank import TextEmbeddingInference

        nodes = [NodeWithScore(node=TextNode(text=text)) for text in DOCUMENTS]
        rerank = TextEmbeddingInference(top_n=2, base_url=locked_url, auth_token=f"Bearer {KEY}")
        found = rerank.postprocess_nodes(nodes, QueryBundle(QUERY))
        assert [one.text for one in found] == [DOCUMENTS[1], DOCUMENTS[2]]
        expected = [one.score for one in engine.reranker(QUERY, DOCUMENTS, top_k=2)]
        assert [one.score for one in found] == pytest.approx(expected, abs=1e-6)


class TestBits:
    """Packed bits, as sentence-transformers packs transformers' vectors."""

    @pytest.fixture
    def packed(self) -> dict[str, Any]:
        from sentence_transformers.util import quantize_embeddings

        vectors = published("normalized").astype(np.float32)
        return {kind: quantize_embeddings(vectors, kind).tolist() for kind in ("binary", "ubinary")}

    def test_cohere(self, locked_url: str, packed: Any) -> None:
        import cohere

        types = ["float", "binary", "ubinary", "base64"]
        found = cohere.ClientV2(KEY, base_url=locked_url).embed(
            texts=TEXTS, model="any", input_type="search_document", embedding_types=types
        )
        assert_vectors(found.embeddings.float_)
        assert_vectors([np.frombuffer(base64.b64decode(one), "<f4") for one in found.embeddings.base64])
        assert {kind: getattr(found.embeddings, kind) for kind in packed} == packed

    @pytest.mark.parametrize("kind", ["binary", "ubinary"])
    def test_voyage(self, locked_url: str, packed: Any, kind: str) -> None:
        import voyageai

        client = voyageai.Client(api_key=KEY, base_url=f"{locked_url}/v1", max_retries=1)
        found = client.embed(TEXTS, model="any", output_dtype=kind, output_dimension=384, input_type="document")
        assert found.embeddings == packed[kind]


class TestRefusals:
    def test_cohere(self, locked_url: str) -> None:
        import cohere

        client = cohere.ClientV2(KEY, base_url=locked_url)
        arguments = {"model": "any", "input_type": "search_document"}
        (start,) = client.embed(
            texts=[LONG], truncate="START", embedding_types=["float"], **arguments
        ).embeddings.float_
        (end,) = client.embed(texts=["beta " * 254], embedding_types=["float"], **arguments).embeddings.float_
        np.testing.assert_allclose(start, end, rtol=0, atol=1e-6)
        with pytest.raises(cohere.errors.BadRequestError, match="the provider's own"):
            client.embed(texts=["a"], embedding_types=["int8"], **arguments)

    def test_voyage(self, locked_url: str) -> None:
        import voyageai

        client = voyageai.Client(api_key=KEY, base_url=f"{locked_url}/v1", max_retries=1)
        with pytest.raises(voyageai.error.InvalidRequestError, match="output_dimension must be 384"):
            client.embed(TEXTS, model="any", output_dimension=256)
        with pytest.raises(voyageai.error.InvalidRequestError, match="output_dtype must be"):
            client.embed(TEXTS, model="any", output_dtype="int8")


class TestMistral:
    @pytest.fixture
    def embeddings(self, locked_url: str) -> Any:
        from mistralai.client import Mistral

        return Mistral(api_key=KEY, server_url=locked_url).embeddings

    def test_metadata(self, embeddings: Any) -> None:
        found = embeddings.create(model="any", inputs=TEXTS, metadata={"a": 1}, output_dimension=384)
        assert_vectors([one.embedding for one in found.data])

    def test_bits(self, embeddings: Any) -> None:
        found = embeddings.create(model="any", inputs=TEXTS, output_dtype="ubinary")
        bits = np.unpackbits(np.array([one.embedding for one in found.data], np.uint8), axis=1)
        np.testing.assert_array_equal(bits, published("normalized") > 0)

    def test_what_is_refused(self, embeddings: Any) -> None:
        from mistralai.client import errors

        with pytest.raises(errors.MistralError, match="the provider's own"):
            embeddings.create(model="any", inputs=TEXTS, metadata={}, output_dtype="int8")
