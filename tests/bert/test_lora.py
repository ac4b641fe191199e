"""Adapters of jina-embeddings-v3: merged by hand, chosen by task, refused where they do not fit."""

import json

import numpy as np
import pytest
import seeded
from safetensors.numpy import load_file, save_file

from refimpl import SentenceTransformerEmbeddingFunction
from refimpl.bert.files import WeightsError
from refimpl.bert.lora import merge_task
from refimpl.bert.weights import BertWeights

ADAPTER = ".parametrizations.weight.0.lora_"


def merged(folder, name, tensor, a, b, task="two"):
    config = {"lora_adaptations": ["one", "two"], "lora_rank": 1, "lora_alpha": 3}
    (folder / "config.json").write_text(json.dumps(config))
    stored = {f"{name}.parametrizations.weight.original": tensor, f"{name}{ADAPTER}A": a, f"{name}{ADAPTER}B": b}
    return merge_task(folder / "config.json", folder / "model.safetensors", stored, task, np.dtype(np.float64))


def test_a_map_by_hand(tmp_path):
    """W + 3 / 1 * B A of the second task."""
    a, b = np.array([[[9.0, 9]], [[1.0, 2]]]), np.array([[[9.0], [9], [9]], [[1.0], [0], [2]]])
    tensors = merged(tmp_path, "dense", np.ones((3, 2)), a, b)
    assert list(tensors) == ["dense.weight"]
    np.testing.assert_array_equal(tensors["dense.weight"], [[4, 7], [1, 1], [7, 13]])


def test_a_table_by_hand(tmp_path):
    """Rows of a table are looked up: A and B change places."""
    a, b = np.array([[[9.0], [9], [9]], [[1.0], [0], [2]]]), np.array([[[9.0, 9]], [[1.0, 2]]])
    tensors = merged(tmp_path, "embeddings.word_embeddings", np.ones((3, 2)), a, b)
    np.testing.assert_array_equal(tensors["embeddings.word_embeddings.weight"], [[4, 7], [1, 1], [7, 13]])


def test_without_a_task_the_weights_are_as_published(tmp_path):
    tensors = merged(tmp_path, "dense", np.ones((3, 2)), np.ones((2, 1, 2)), np.ones((2, 3, 1)), None)
    np.testing.assert_array_equal(tensors["dense.weight"], np.ones((3, 2)))


@pytest.mark.parametrize(("a", "b"), [((2, 2, 2), (2, 3, 1)), ((2, 1, 5), (2, 3, 1)), ((1, 1, 2), (2, 3, 1))])
def test_adapters_that_do_not_fit_are_refused(tmp_path, a, b):
    with pytest.raises(WeightsError, match="dense"):
        merged(tmp_path, "dense", np.ones((3, 2)), np.ones(a), np.ones(b))


def test_a_task_that_the_model_lacks_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"task must be one of retrieval\.query, .*, got 'clustering'"):
        BertWeights.load(seeded.lora_folder(tmp_path / "v3"), task="clustering")
    with pytest.raises(ValueError, match="task must be one of none, as here, got 'x'"):
        BertWeights.load(seeded.model_folder(tmp_path / "bert", "bert"), task="x")


def test_each_task_has_weights_of_its_own(tmp_path):
    folder = seeded.lora_folder(tmp_path)
    tasks = [None, *seeded.LORA["lora_adaptations"]]
    maps = [BertWeights.load(folder, task=task).layer(1)["attention.self.key.weight"] for task in tasks]
    assert len({array.tobytes() for array in maps}) == len(tasks)
    stored = load_file(folder / "model.safetensors")
    del stored["roberta.encoder.layers.1.mlp.fc1.parametrizations.weight.0.lora_B"]
    save_file(stored, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"encoder\.layers\.1\.mlp\.fc1 lacks adapters of 3 tasks"):
        BertWeights.load(folder, task=tasks[1])


@pytest.mark.parametrize("change", [{"lora_rank": 0}, {"lora_rank": "1"}, {"lora_alpha": None}, {"lora_alpha": True}])
def test_settings_of_other_types_are_an_error_with_the_file(tmp_path, change):
    folder = seeded.lora_folder(tmp_path / "v3")
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=r"config\.json: expected lora_rank above 0 and lora_alpha"):
        BertWeights.load(folder, task=config["lora_adaptations"][0])


def test_a_task_of_the_embedding_function(tmp_path):
    """Its vectors are golden vectors; here that it is kept apart from prompts, and refused where there is none."""
    folder = seeded.lora_sentences(tmp_path / "v3")
    function = SentenceTransformerEmbeddingFunction(folder, dtype="float64", task=seeded.TASK)
    without, text = SentenceTransformerEmbeddingFunction(folder, dtype="float64"), ["mars is a planet"]
    assert np.abs(function(text) - without(text)).max() > 0.01
    prompted = [seeded.JINA_PROMPTS[seeded.TASK] + text[0]]
    named = SentenceTransformerEmbeddingFunction(
        folder, dtype="float64", task=seeded.TASK, query_prompt_name=seeded.TASK, doc_prompt_name=seeded.TASK
    )
    for vectors in (named.encode_queries(text), named.encode_documents(text)):
        np.testing.assert_array_equal(vectors, function(prompted))
    with pytest.raises(ValueError, match=r"task must be one of retrieval\.query, .*, got 'clustering'"):
        SentenceTransformerEmbeddingFunction(folder, task="clustering")


def test_a_module_of_that_name_in_another_model_is_refused(tmp_path):
    """Only jina-embeddings-v3's own Transformer is known to be sentence-transformers' with a task."""
    folder = seeded.lora_sentences(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    del config["lora_adaptations"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=r"got custom_st\.Transformer: code from a model folder is never run"):
        SentenceTransformerEmbeddingFunction(folder)
