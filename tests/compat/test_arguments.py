"""Arguments that pymilvus.model accepts: each has its effect, or is refused by name; none is ignored."""

import inspect
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from werkzeug import Request, Response

from refimpl import (
    BGERerankFunction,
    CohereEmbeddingFunction,
    CohereRerankFunction,
    CrossEncoderRerankFunction,
    JinaEmbeddingFunction,
    Model2VecEmbeddingFunction,
    OpenAIEmbeddingFunction,
    SentenceTransformerEmbeddingFunction,
    SpladeEmbeddingFunction,
    VoyageEmbeddingFunction,
    dense,
    hybrid,
    reranker,
    sparse,
)
from refimpl.base import BaseEmbeddingFunction, BaseRerankFunction, RerankResult
from refimpl.common.arguments import check_device
from refimpl.sparse.analyzers.build import CLASSES
from refimpl.sparse.bm25.tokenizers import (
    Analyzer,
    LowercaseFilter,
    Preprocessor,
    TextFilter,
    Tokenizer,
    build_analyzer_from_yaml,
    register_class,
)
from refimpl.sparse.utils import stack_sparse_embeddings

CROSS_ENCODER = Path(__file__).parents[2] / "data" / "vectors" / "rerank" / "model"
QUERY, DOCUMENTS = "what planet is red", ["mars is the red planet", "bread is baked", "venus is hot"]
LOCAL = [SentenceTransformerEmbeddingFunction, SpladeEmbeddingFunction, CrossEncoderRerankFunction]
LOCAL += [BGERerankFunction, hybrid.BGEM3EmbeddingFunction, hybrid.MGTEEmbeddingFunction]
LOCAL += [dense.InstructorEmbeddingFunction]


class TestDevice:
    @pytest.mark.parametrize("device", [None, "", "cpu", ["cpu"], (None, "cpu")])
    def test_names_of_the_cpu_are_accepted(self, device: Any) -> None:
        check_device(device)

    @pytest.mark.parametrize("device", ["cuda", "cuda:0", "mps", "CPU", 0, ["cpu", "cuda:0"]])
    def test_another_is_refused_in_one_sentence(self, device: Any) -> None:
        said = f"device must be 'cpu', got {device!r}: refimpl computes in numpy on the CPU, leave it out"
        with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
            check_device(device)

    @pytest.mark.parametrize("make", LOCAL)
    def test_every_local_function_refuses_it_before_it_reads_a_file(self, make: Callable[..., Any]) -> None:
        with pytest.raises(ValueError, match="device must be 'cpu', got 'cuda:0'"):
            make("no-such-model", device="cuda:0")

    @pytest.mark.parametrize("device", [None, "", "cpu"])
    def test_every_local_function_accepts_the_cpu(self, device: Any, minilm_folder: Path) -> None:
        SpladeEmbeddingFunction("splade-tiny", 32, "", "", device, 2, 5)
        SentenceTransformerEmbeddingFunction(minilm_folder, 32, "", "", device)
        CrossEncoderRerankFunction(CROSS_ENCODER, device)

    @pytest.mark.peer
    def test_torchs_cpu_is_the_cpu(self) -> None:
        import torch

        check_device(torch.device("cpu"))


@pytest.fixture(scope="module")
def logits() -> np.ndarray:
    function = CrossEncoderRerankFunction(CROSS_ENCODER, dtype="float64")
    return function.raw_scores(function.tokens(QUERY, DOCUMENTS))


class TestActivation:
    def scores(self, activation: Any) -> np.ndarray:
        return CrossEncoderRerankFunction(CROSS_ENCODER, "cpu", 32, activation, dtype="float64").scores(
            QUERY, DOCUMENTS
        )

    def test_a_callable_is_applied_to_the_logits(self, logits: np.ndarray) -> None:
        np.testing.assert_array_equal(self.scores(np.tanh), np.tanh(logits))
        np.testing.assert_array_equal(self.scores(lambda x: 3 * x - 1), 3 * logits - 1)

    def test_it_decides_the_order(self, logits: np.ndarray) -> None:
        function = CrossEncoderRerankFunction(CROSS_ENCODER, activation_fct=lambda x: -x, dtype="float64")
        assert [result.index for result in function(QUERY, DOCUMENTS)] == np.argsort(logits).tolist()

    def test_names(self, logits: np.ndarray, unchecked: None) -> None:
        np.testing.assert_array_equal(self.scores("none"), logits)
        np.testing.assert_allclose(self.scores("sigmoid"), 1 / (1 + np.exp(-logits)), rtol=1e-12)
        with pytest.raises(ValueError, match="activation must be 'sigmoid' or 'none', got 'tanh': or give a callable"):
            self.scores("tanh")

    @pytest.mark.parametrize(
        ("activation", "error", "said"),
        [
            (3, TypeError, "activation_fct must be a callable or a name, got int: leave it out"),
            (lambda x: x[:2], ValueError, r"must return 3 finite scores, one per document, got \(2,\)"),
            (lambda x: x * np.nan, ValueError, r"must return 3 finite scores, one per document, got \(3,\): \[nan"),
        ],
    )
    def test_what_gives_no_scores_is_refused(
        self, activation: Any, error: type[Exception], said: str, unchecked: None
    ) -> None:
        with pytest.raises(error, match=said):
            self.scores(activation)

    def test_two_at_once_are_refused(self) -> None:
        with pytest.raises(ValueError, match="expected activation or activation_fct, got both: give one"):
            CrossEncoderRerankFunction(CROSS_ENCODER, activation_fct=np.tanh, activation="none")

    @pytest.mark.peer
    def test_torchs_own_objects(self, logits: np.ndarray) -> None:
        import torch

        np.testing.assert_array_equal(self.scores(torch.nn.Identity()), logits)
        theirs = torch.nn.Sigmoid()(torch.from_numpy(logits)).numpy()
        np.testing.assert_allclose(self.scores(torch.nn.Sigmoid()), theirs, rtol=1e-12)
        with pytest.raises(ValueError, match="got torch's Tanh: give the same function in numpy"):
            self.scores(torch.nn.Tanh())

    def test_without_a_model_it_names_the_remedy(self) -> None:
        with pytest.raises(ValueError, match="model_name must be a folder or a hub repository, got '': give one"):
            CrossEncoderRerankFunction()


class TestFurtherKeywords:
    @pytest.mark.parametrize("make", [*LOCAL, Model2VecEmbeddingFunction])
    def test_an_unknown_one_is_refused_by_name(self, make: Callable[..., Any]) -> None:
        said = rf"{make.__name__} does not support nonsense=1: it has no effect here, leave it out"
        with pytest.raises(TypeError, match=said):
            make("no-such-model", nonsense=1)

    @pytest.mark.parametrize("make", [SentenceTransformerEmbeddingFunction, SpladeEmbeddingFunction])
    def test_code_of_a_model_is_never_run(self, make: Callable[..., Any], minilm_folder: Path) -> None:
        with pytest.raises(TypeError, match="trust_remote_code=True: code from a model's folder is never run"):
            make("no-such-model", trust_remote_code=True)
        folder = minilm_folder if make is SentenceTransformerEmbeddingFunction else "splade-tiny"
        make(folder, trust_remote_code=False, revision=None)

    @pytest.mark.peer
    def test_every_parameter_of_the_libraries_behind_is_refused_with_its_reason(self) -> None:
        from model2vec import StaticModel
        from sentence_transformers import SentenceTransformer

        for make, behind in (
            (SentenceTransformerEmbeddingFunction, SentenceTransformer),
            (Model2VecEmbeddingFunction, StaticModel.from_pretrained),
        ):
            ours = {*inspect.signature(make).parameters, "model_name_or_path", "path"}
            for name in set(inspect.signature(behind).parameters) - ours:
                with pytest.raises(TypeError, match=rf"does not support {name}=7: (?!it has no effect)"):
                    make("no-such-model", **{name: 7})

    CLIENTS = (CohereEmbeddingFunction, JinaEmbeddingFunction, OpenAIEmbeddingFunction, VoyageEmbeddingFunction)
    CLIENTS += (dense.MistralAIEmbeddingFunction, dense.GeminiEmbeddingFunction)

    @pytest.mark.parametrize("make", CLIENTS)
    @pytest.mark.parametrize("name", ["http_client", "default_headers", "nonsense"])
    def test_a_client_refuses_what_it_cannot_apply(self, make: Callable[..., Any], name: str) -> None:
        with pytest.raises(TypeError, match=f"{make.__name__} does not support {name}={{}}"):
            make("m", "key", **{name: {}})

    @pytest.mark.parametrize(
        ("make", "keyword", "reason"),
        [
            (dense.NomicEmbeddingFunction, {"device": "gpu"}, "the server computes"),
            (dense.NomicEmbeddingFunction, {"nonsense": 1}, "it has no effect here"),
            (dense.MistralAIEmbeddingFunction, {"timeout_ms": 5}, "timeout_s is the parameter here, in seconds"),
            (dense.MistralAIEmbeddingFunction, {"server_url": "x"}, "base_url is the parameter here"),
            (dense.GeminiEmbeddingFunction, {"http_options": {}}, "base_url, timeout_s and max_retries are the parame"),
        ],
    )
    def test_a_keyword_of_the_providers_own_client_is_refused_with_its_reason(
        self, make: Callable[..., Any], keyword: dict[str, Any], reason: str
    ) -> None:
        with pytest.raises(TypeError, match=f"{make.__name__} does not support {next(iter(keyword))}=.*: {reason}"):
            make(api_key="key", **keyword)

    @pytest.mark.parametrize("make", CLIENTS)
    def test_a_clients_timeout_is_applied(self, make: Callable[..., Any]) -> None:
        assert make("m", "key", timeout=5)._session.timeout_s == 5.0
        assert make("m", "key", timeout=None)._session.timeout_s == 60.0
        with pytest.raises(TypeError, match="timeout and timeout_s are two names of one parameter, got both"):
            make("m", "key", timeout=5, timeout_s=6.0)
        with pytest.raises(TypeError, match="timeout must be a number of seconds, got 'long': give timeout_s"):
            make("m", "key", timeout="long")

    @pytest.mark.parametrize(
        ("make", "keywords", "header"),
        [
            (OpenAIEmbeddingFunction, {"organization": "org-1"}, ("OpenAI-Organization", "org-1")),
            (OpenAIEmbeddingFunction, {"project": "proj-2"}, ("OpenAI-Project", "proj-2")),
            (CohereEmbeddingFunction, {"client_name": "mine"}, ("X-Client-Name", "mine")),
        ],
    )
    def test_what_the_clients_send_as_a_header_is_sent(
        self, httpserver: Any, make: Callable[..., Any], keywords: dict[str, str], header: tuple[str, str]
    ) -> None:
        """The headers' names: openai 2's `default_headers`, cohere 5's `get_headers`."""
        seen: list[str | None] = []

        def reply(request: Request) -> Response:
            seen.append(request.headers.get(header[0]))
            body = '{"data": [{"index": 0, "embedding": [1.0]}], "embeddings": {"float": [[1.0]]}}'
            return Response(body, content_type="application/json")

        for path in ("/v1/embeddings", "/v2/embed"):
            httpserver.expect_request(path).respond_with_handler(reply)
        make("m", "key", base_url=httpserver.url_for(""), **keywords)(["a"])
        make("m", "key", base_url=httpserver.url_for(""))(["a"])
        assert seen == [header[1], None]
        with pytest.raises(ValueError, match="must be printable ASCII"):
            make("m", "key", **dict.fromkeys(keywords, "a\r\nb"))

    def test_headers_do_not_follow_a_redirect_to_another_host(self, httpserver: Any) -> None:
        seen = []

        def reply(request: Request) -> Response:
            seen.append((request.host.partition(":")[0], request.headers.get("OpenAI-Organization")))
            if request.host.startswith("127.0.0.1"):
                moved = f"http://localhost:{httpserver.port}/v1/embeddings"
                return Response(status=307, headers={"Location": moved})
            return Response('{"data": [{"index": 0, "embedding": [1.0]}]}', content_type="application/json")

        httpserver.expect_request("/v1/embeddings").respond_with_handler(reply)
        OpenAIEmbeddingFunction("m", base_url=f"http://127.0.0.1:{httpserver.port}", organization="org-1")(["a"])
        assert seen == [("127.0.0.1", "org-1"), ("localhost", None)]

    @pytest.mark.parametrize("name", ["model", "query", "documents", "top_n", "request_options"])
    def test_a_rerank_requests_own_fields_are_not_overridden(self, name: str) -> None:
        with pytest.raises(TypeError, match=f"CohereRerankFunction does not support {name}=3"):
            CohereRerankFunction("m", "key", **{name: 3})


class TestBases:
    @pytest.mark.parametrize("package", [dense, hybrid, sparse])
    def test_every_embedding_function_is_one(self, package: Any) -> None:
        functions = [name for name in package.__all__ if name.endswith("EmbeddingFunction")]
        assert functions
        for name in functions:
            assert issubclass(getattr(package, name), BaseEmbeddingFunction), name

    def test_every_reranker_is_one(self) -> None:
        for name in reranker.__all__:
            assert issubclass(getattr(reranker, name), BaseRerankFunction), name

    def test_objects_are_instances(self) -> None:
        assert isinstance(SpladeEmbeddingFunction("splade-tiny"), BaseEmbeddingFunction)
        assert isinstance(reranker.JinaRerankFunction("m", "key"), BaseRerankFunction)

    def test_a_subclass_of_the_users_needs_only_what_it_uses(self) -> None:
        class Mine(BaseEmbeddingFunction):
            def __init__(self, width: int) -> None:
                self.width = width

            def encode_queries(self, queries: Any) -> list[list[float]]:
                return [[0.0] * self.width for _ in queries]

        assert Mine(2).encode_queries(["a"]) == [[0.0, 0.0]]
        with pytest.raises(NotImplementedError, match="Mine does not define __call__"):
            Mine(2)(["a"])

        class Longest(BaseRerankFunction):
            def __call__(self, query: str, documents: Any, top_k: int = 5) -> list[RerankResult]:
                order = sorted(range(len(documents)), key=lambda index: -len(documents[index]))
                return [RerankResult(documents[i], float(len(documents[i])), i) for i in order[:top_k]]

        assert [result.index for result in Longest()("q", ["a", "abc", "ab"], top_k=2)] == [1, 2]
        with pytest.raises(NotImplementedError, match="BaseRerankFunction does not define __call__"):
            BaseRerankFunction()("q", ["a"], 1)


class TestAnalyzerSteps:
    @mock.patch.dict(CLASSES)  # the class that is registered here goes with the test
    def test_steps_of_the_users_derive_from_the_bases(self, tmp_path: Path) -> None:
        @register_class("Commas")
        class Commas(Tokenizer):
            def tokenize(self, text: str) -> list[str]:
                return text.split(",")

        class Dashes(Preprocessor):
            def apply(self, text: str) -> str:
                return text.replace("-", ",")

        class Pairs(TextFilter):
            def apply(self, tokens: list[str]) -> list[str]:
                return [a + b for a, b in pairwise(tokens)]

        assert Analyzer("mine", Commas(), [Dashes()], [LowercaseFilter(), Pairs()])("A-B,C") == ["ab", "bc"]
        (tmp_path / "mine.yaml").write_text("mine: {tokenizer: {class: Commas, params: {}}}", encoding="utf-8")
        assert build_analyzer_from_yaml(tmp_path / "mine.yaml", "mine")("a,b") == ["a", "b"]
        assert isinstance(LowercaseFilter(), TextFilter)

    @pytest.mark.parametrize(
        ("base", "method", "given"),
        [(Tokenizer, "tokenize", "a"), (Preprocessor, "apply", "a"), (TextFilter, "apply", ["a"])],
    )
    def test_a_method_that_is_left_out_is_named(self, base: type, method: str, given: Any) -> None:
        mine = type("Mine", (base,), {})
        with pytest.raises(NotImplementedError, match=f"Mine does not define {method}"):
            getattr(mine(), method)(given)


def test_sparse_rows_are_stacked() -> None:
    from scipy.sparse import csr_array

    rows = [csr_array(np.array([[1.0, 0.0]])), csr_array(np.array([[0.0, 2.0]]))]
    stacked = stack_sparse_embeddings(rows)
    assert isinstance(stacked, csr_array)
    np.testing.assert_array_equal(stacked.toarray(), [[1, 0], [0, 2]])
