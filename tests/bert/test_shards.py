"""Weights in several files, listed in an index, as transformers saves large models."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import saved_modules
import seeded
from safetensors.numpy import save_file

from refimpl.bert.files import WeightsError, map_safetensors, map_shards
from refimpl.bert.weights import BertWeights

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
SHARDS = {FIRST: {"a": np.arange(6.0).reshape(2, 3), "b": np.ones(2)}, SECOND: {"c": np.full((1, 4), 7.0)}}
WEIGHT_MAP = {"a": FIRST, "b": FIRST, "c": SECOND}


def index_of(folder: Path, weight_map: Any = None, shards: Any = None) -> Path:
    for name, tensors in (shards or SHARDS).items():
        save_file(tensors, folder / name)
    content = {"metadata": {"total_size": 96}, "weight_map": WEIGHT_MAP if weight_map is None else weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(content), encoding="utf-8")
    return folder / "model.safetensors.index.json"


def test_the_tensors_of_every_shard_are_mapped(tmp_path):
    tensors = map_shards(index_of(tmp_path), map_safetensors)
    assert {name: tensor.tolist() for name, tensor in tensors.items()} == {
        "a": [[0, 1, 2], [3, 4, 5]],
        "b": [1, 1],
        "c": [[7, 7, 7, 7]],
    }
    assert not any(tensor.flags.writeable or tensor.flags.owndata for tensor in tensors.values())


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        ({**WEIGHT_MAP, "c": FIRST}, f"mismatch for c in {FIRST}"),
        ({**WEIGHT_MAP, "b": SECOND}, f"mismatch for b in {FIRST}, b in {SECOND}"),
        ({**WEIGHT_MAP, "d": SECOND}, f"mismatch for d in {SECOND}"),
        ({"a": FIRST, "c": SECOND}, f"mismatch for b in {FIRST}"),
        ({**WEIGHT_MAP, "c": "model-00003-of-00003.safetensors"}, "model-00003-of-00003.safetensors is missing"),
        ({**WEIGHT_MAP, "c": f"../{SECOND}"}, rf"expected the name of a file beside it, got '\.\./{SECOND}'"),
        ({**WEIGHT_MAP, "c": f"/etc/{SECOND}"}, "expected the name of a file beside it, got '/etc/"),
        ({**WEIGHT_MAP, "c": f"C:{SECOND}"}, "expected the name of a file beside it, got 'C:"),
        ({**WEIGHT_MAP, "c": f"..\\{SECOND}"}, "expected the name of a file beside it"),
        ({**WEIGHT_MAP, "c": ""}, "expected the name of a file beside it, got ''"),
        ({**WEIGHT_MAP, "c": ".."}, r"expected the name of a file beside it|\.\. is missing"),
        ({**WEIGHT_MAP, "c": 2}, "expected a weight_map with the file of each tensor"),
        ({}, "expected a weight_map with the file of each tensor, got {}"),
        ([], "expected a weight_map with the file of each tensor"),
    ],
)
def test_an_index_that_differs_from_its_files_is_refused_by_name(tmp_path, weight_map, message):
    folder = tmp_path / "model"
    folder.mkdir()
    save_file(SHARDS[SECOND], tmp_path / SECOND)  # the target of a path outside the folder
    with pytest.raises(WeightsError, match=rf"model\.safetensors\.index\.json: .*{message}"):
        map_shards(index_of(folder, weight_map), map_safetensors)


def test_a_tensor_in_two_files_is_refused(tmp_path):
    shards = {**SHARDS, SECOND: {**SHARDS[SECOND], "a": np.zeros((2, 3))}}
    with pytest.raises(WeightsError, match=f"mismatch for a in {SECOND}"):
        map_shards(index_of(tmp_path, shards=shards), map_safetensors)


def test_an_adapter_is_refused(tmp_path):
    folder = seeded_bert(tmp_path)
    (folder / "adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(WeightsError, match=r"adapter_config\.json: expected no adapter"):
        BertWeights.load(folder)


def seeded_bert(folder: Path) -> Path:
    from refimpl.bert.config import BertConfig
    from refimpl.bert.shapes import encoder_shapes

    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12}
    rest = {"vocab_size": 11, "max_position_embeddings": 9, "type_vocab_size": 2, "layer_norm_eps": 1e-12}
    config = {"model_type": "bert", "hidden_act": "gelu", **sizes, **rest}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tensors = seeded.weights(encoder_shapes(BertConfig.load(folder)))
    names = sorted(tensors)
    shards = {FIRST: {n: tensors[n] for n in names[:9]}, SECOND: {n: tensors[n] for n in names[9:]}}
    index_of(folder, {n: shard for shard, stored in shards.items() for n in stored}, shards)
    return folder


def test_a_folder_of_shards_gives_the_weights_of_one_file(tmp_path):
    sharded = BertWeights.load(seeded_bert(tmp_path))
    whole = tmp_path / "whole"
    whole.mkdir()
    save_file({name: np.array(sharded[name]) for name in sharded}, whole / "model.safetensors")
    (whole / "config.json").write_bytes((tmp_path / "config.json").read_bytes())
    one = BertWeights.load(whole)
    assert sorted(one) == sorted(sharded)
    for name in one:
        np.testing.assert_array_equal(one[name], sharded[name])
    assert not any(tensor.flags.owndata for tensor in sharded.values())


@pytest.mark.peer
@pytest.mark.parametrize("safe", [True, False])
def test_shards_of_transformers_give_the_vectors_of_sentence_transformers(tmp_path, safe):
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertModel

    from refimpl import SentenceTransformerEmbeddingFunction
    from refimpl.tokens import TruncationWarning

    bert, folder = saved_modules.transformer(tmp_path / "bert"), tmp_path / "model"
    SentenceTransformer(modules=[bert, Pooling(16)]).double().save_pretrained(str(folder))
    model = BertModel.from_pretrained(folder, dtype=torch.float64)
    (folder / "model.safetensors").unlink()
    if safe:
        model.save_pretrained(folder, max_shard_size="4KB")
    else:
        state, weight_map = model.state_dict(), {}
        for i, name in enumerate(state):
            weight_map[name] = f"pytorch_model-0000{i % 2 + 1}-of-00002.bin"
        for shard in set(weight_map.values()):
            torch.save({name: state[name] for name, file in weight_map.items() if file == shard}, folder / shard)
        index = {"metadata": {}, "weight_map": weight_map}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index), encoding="utf-8")
    files = list(folder.glob("*-of-*"))
    assert len(files) >= 2
    peer = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": "float64"}).double()
    ours = SentenceTransformerEmbeddingFunction(str(folder), dtype="float64", normalize_embeddings=False)
    with pytest.warns(TruncationWarning):
        actual = ours(saved_modules.TEXTS)
    np.testing.assert_allclose(
        actual, np.stack([peer.encode(text) for text in saved_modules.TEXTS]), rtol=0, atol=1e-11
    )
