"""Conversion of a BERT model folder to a GGUF file, for tests with llama.cpp's server."""

import json
from pathlib import Path

import numpy as np

WORD_START = "▁"  # llama.cpp marks the first piece of a word, WordPiece the others (##)


def write_gguf(folder: Path, file: Path, *, rank: bool) -> Path:
    """Write `file`: with `rank` a reranker (pooling type RANK, pooler as `cls`), else an encoder with mean pooling."""
    import gguf

    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(str(file), "bert")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.RANK if rank else gguf.PoolingType.MEAN)
    _add_tokenizer(writer, folder, config, rank=rank)
    _add_tensors(writer, folder, config["num_hidden_layers"], rank=rank)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _add_tokenizer(writer: "object", folder: Path, config: dict, *, rank: bool) -> None:
    import gguf

    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    assert [vocabulary[piece] for piece in pieces] == list(range(config["vocab_size"]))
    special = {name: vocabulary[name] for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")}
    control = [gguf.TokenType.CONTROL if piece in special else gguf.TokenType.NORMAL for piece in pieces]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([_llama_piece(piece) if piece not in special else piece for piece in pieces])
    writer.add_token_types(control)
    writer.add_token_type_count(config["type_vocab_size"])
    writer.add_bos_token_id(special["[CLS]"])
    writer.add_eos_token_id(special["[SEP]"])
    writer.add_sep_token_id(special["[SEP]"])
    writer.add_unk_token_id(special["[UNK]"])
    writer.add_pad_token_id(special["[PAD]"])
    writer.add_mask_token_id(special["[MASK]"])
    writer.add_add_bos_token(True)
    if rank:  # without it the pair lacks its last [SEP]
        writer.add_add_eos_token(True)
        writer.add_add_sep_token(False)


def _llama_piece(piece: str) -> str:
    return piece[2:] if piece.startswith("##") else WORD_START + piece


def _add_tensors(writer: "object", folder: Path, layers: int, *, rank: bool) -> None:
    import gguf
    from safetensors.numpy import load_file

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, layers)
    heads = {"pooler.dense": "cls", "classifier": "cls.output"}
    for published, tensor in load_file(folder / "model.safetensors").items():
        module, _, kind = published.removeprefix("bert.").rpartition(".")
        if (module in heads and not rank) or module == "embeddings":
            continue
        name = heads.get(module) or names.get_name(module)
        assert name is not None, published
        writer.add_tensor(f"{name}.{kind}", np.ascontiguousarray(tensor, dtype=np.float32))
