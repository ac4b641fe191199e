"""Model folders, key by key, against vectors that data/regenerate/model_folders.py stored; what is refused by name."""

import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import offline_folders as folders
import pytest
from generated_folders import MODEL, POOLING, SENTENCE, SPLADE, TOKENIZER, change

from refimpl import CrossEncoderRerankFunction, SentenceTransformerEmbeddingFunction, SpladeEmbeddingFunction
from refimpl.bert.prompts import PromptWarning

EXPECTED: dict[str, dict[str, Any]] = json.loads(folders.EXPECTED.read_text())
TRUNCATED = pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning")


def dense(folder: Path, **settings: Any) -> SentenceTransformerEmbeddingFunction:
    return SentenceTransformerEmbeddingFunction(folder, dtype="float64", normalize_embeddings=False, **settings)


def sparse(folder: Path) -> SpladeEmbeddingFunction:
    return SpladeEmbeddingFunction(str(folder), dtype="float64")


def pairs(folder: Path) -> CrossEncoderRerankFunction:
    return CrossEncoderRerankFunction(str(folder), dtype="float64")


def assert_equal(actual: np.ndarray, expected: list) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


def test_every_folder_has_expected_numbers():
    assert EXPECTED.keys() == folders.DENSE.keys() | folders.SPARSE.keys() | folders.PAIRS.keys()


@TRUNCATED
@pytest.mark.filterwarnings("ignore::refimpl.bert.prompts.PromptWarning")
@pytest.mark.parametrize("name", folders.DENSE)
def test_dense_folders(tmp_path, name):
    function = dense(folders.DENSE[name](tmp_path))
    assert_equal(function(folders.TEXTS), EXPECTED[name]["encode"])
    assert_equal(function.encode_queries(folders.TEXTS), EXPECTED[name]["encode"])
    assert_equal(function.encode_query(folders.TEXTS), EXPECTED[name]["query"])
    assert_equal(function.encode_document(folders.TEXTS), EXPECTED[name]["document"])


@TRUNCATED
@pytest.mark.parametrize("name", folders.SPARSE)
def test_sparse_folders(tmp_path, name):
    function = sparse(folders.SPARSE[name](tmp_path))
    assert_equal(function(folders.TEXTS).toarray(), EXPECTED[name]["encode"])
    assert_equal(function.encode_query(folders.TEXTS).toarray(), EXPECTED[name]["query"])
    assert_equal(function.encode_document(folders.TEXTS).toarray(), EXPECTED[name]["document"])


@pytest.mark.parametrize("name", folders.PAIRS)
def test_cross_encoder_folders(tmp_path, name):
    scores = pairs(folders.PAIRS[name](tmp_path)).scores(folders.QUERY, folders.TEXTS)
    assert_equal(scores, EXPECTED[name]["predict"])


@TRUNCATED
def test_a_prompt_that_is_not_applied_is_a_warning_once_per_function(tmp_path):
    folder = folders.dense(tmp_path, model=folders.PROMPTS, sentence={"query_length": 5})
    function = dense(folder)
    expected = (
        r"encode_queries does not apply the model's query prompt 'the query : ' and length of 5 tokens.*encode_query"
    )
    with pytest.warns(PromptWarning, match=expected):
        function.encode_queries(["a"])
    with pytest.warns(PromptWarning, match="document prompt 'a document of '"):
        function.encode_documents(["a"])
    named = dense(folder, query_prompt_name="query", doc_prompt_name="document")
    with warnings.catch_warnings():
        warnings.simplefilter("error", PromptWarning)
        function.encode_queries(["a"])
        function.encode_query(["a"])
        function(["a"])
        named.encode_queries(["a"])
        named.encode_documents(["a"])


def test_sparse_prompts_that_are_not_applied_are_warnings(tmp_path):
    function = sparse(folders.sparse(tmp_path, model=folders.PROMPTS))
    with pytest.warns(PromptWarning, match="call encode_query of SpladeEmbeddingFunction"):
        function.encode_queries(["a"])
    with pytest.warns(PromptWarning, match="call encode_document of SpladeEmbeddingFunction"):
        function.encode_documents(["a"])


WRITE = {"dense": folders.dense, "sparse": folders.sparse, "pairs": folders.pairs}
READ = {"dense": dense, "sparse": sparse, "pairs": pairs}
FILES = {
    "dense": (MODEL, SENTENCE, TOKENIZER, POOLING, "modules.json", "config.json"),
    "sparse": (MODEL, SENTENCE, TOKENIZER, SPLADE, "modules.json", "config.json"),
    "pairs": (MODEL, SENTENCE, TOKENIZER, "modules.json", "config.json"),
}


@pytest.mark.parametrize(("task", "file"), [(task, file) for task, files in FILES.items() for file in files])
@pytest.mark.parametrize("key", ["unheard_of", "max_seq_lenght", "lora_rank"])
def test_an_unknown_key_is_refused_by_file_and_key(tmp_path, task, file, key):
    folder = WRITE[task](tmp_path)
    READ[task](folder)
    change(folder / file, {key: 7})
    with pytest.raises(ValueError, match=rf"{re.escape(file)}.*{key}"):
        READ[task](folder)


@pytest.mark.parametrize("name", ["Normalize", "LayerNorm", "Dropout", "Dense"])
def test_an_unknown_key_of_a_module_after_pooling_is_refused(tmp_path, name):
    own = {"Dense": {"in_features": 32, "out_features": 4}, "LayerNorm": {"dimension": 32}}.get(name, {})
    folder = folders.seeded.sentence_folder(folders.dense(tmp_path), {}, (name, own | {"unheard_of": 7}))
    with pytest.raises(ValueError, match=rf"2_{name}/config\.json.*unheard_of"):
        dense(folder)


REFUSED = [
    ("dense", SENTENCE, {"query_expansion": {"strategy": "fixed", "length": 8}}),
    ("dense", SENTENCE, {"processing_kwargs": {"text": {"max_length": 4}}}),
    ("dense", SENTENCE, {"model_args": {"trust_remote_code": True, "dtype": "float16"}}),
    ("dense", SENTENCE, {"transformer_task": "fill-mask"}),
    ("dense", SENTENCE, {"query_length": -1}),
    ("dense", MODEL, {"model_type": "SparseEncoder"}),
    ("dense", MODEL, {"default_prompt_name": "passage"}),
    ("dense", MODEL, {"similarity_fn_name": "maxsim"}),
    ("sparse", MODEL, {"model_type": "SentenceTransformer"}),
    ("sparse", SENTENCE, {"transformer_task": "feature-extraction"}),
    ("sparse", SPLADE, {"pooling_strategy": "mean"}),
    ("pairs", MODEL, {"default_prompt_name": "query"}),
    ("pairs", MODEL, {"keep_in_fp32_modules": ["0.model.classifier"]}),
    ("pairs", SENTENCE, {"transformer_task": "text-generation"}),
]


@pytest.mark.parametrize(("task", "file", "keys"), REFUSED)
def test_a_value_that_is_not_supported_is_refused_by_file_and_key(tmp_path, task, file, keys):
    folder = WRITE[task](tmp_path)
    change(folder / file, keys)
    with pytest.raises(ValueError, match=rf"{re.escape(file)}: expected .*{next(iter(keys))}"):
        READ[task](folder)


@pytest.mark.parametrize("task", ["sparse", "pairs"])
@pytest.mark.parametrize(("file", "key"), [(MODEL, "model_type"), (SENTENCE, "transformer_task")])
def test_a_folder_that_sentence_transformers_would_convert_is_refused(tmp_path, task, file, key):
    """Without these keys it is a SentenceTransformer's, from which the library derives another model."""
    folder = WRITE[task](tmp_path)
    (folder / file).write_text("{}")
    with pytest.raises(ValueError, match=rf"{re.escape(file)}: expected {key}"):
        READ[task](folder)


@pytest.mark.parametrize("task", ["dense", "sparse", "pairs"])
def test_an_adapter_is_refused(tmp_path, task):
    folder = WRITE[task](tmp_path)
    (folder / "adapter_config.json").write_text("{}")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"adapter_config\.json: expected no such file in a model folder: merge"):
            READ[task](folder)
        (folder / "modules.json").unlink(missing_ok=True)


@pytest.mark.parametrize("where", ["chat_template.jinja", "chat_template"])
def test_a_chat_template_renders_no_text_of_a_folder_with_modules_and_is_refused_without(tmp_path, where):
    template = "{{ messages }}"
    folder = folders.dense(tmp_path)
    without = dense(folder)(["a"])
    if where == "chat_template":
        change(folder / TOKENIZER, {where: template})
    else:
        (folder / where).write_text(template)
    np.testing.assert_array_equal(dense(folder)(["a"]), without)
    (folder / "modules.json").unlink()
    with pytest.raises(ValueError, match=r"expected no chat.template without modules\.json"):
        dense(folder)
