"""Encoders that run all-MiniLM-L6-v2 in this process: sentence-transformers, transformers, onnxruntime, and others."""

from functools import cache

from refimpl import models


@cache
def minilm():
    """The folder of all-MiniLM-L6-v2."""
    return str(models.path("all-MiniLM-L6-v2"))


@cache
def sentence_transformer(dtype="float32", truncate_dim=None):
    """A SentenceTransformer in this precision."""
    from sentence_transformers import SentenceTransformer

    options = {"device": "cpu", "truncate_dim": truncate_dim, "model_kwargs": {"dtype": dtype}}
    return SentenceTransformer(minilm(), **options)


def sentence_transformers(texts):
    """sentence-transformers in float32."""
    return sentence_transformer().encode(texts)


def sentence_transformers_float16(texts):
    """sentence-transformers, weights and sums in float16."""
    return sentence_transformer("float16").encode(texts)


def sentence_transformers_bfloat16(texts):
    """sentence-transformers, weights and sums in bfloat16."""
    return sentence_transformer("bfloat16").encode(texts, convert_to_tensor=True).float().numpy()


def sentence_transformers_128(texts):
    """sentence-transformers, the first 128 dimensions."""
    return sentence_transformer(truncate_dim=128).encode(texts)


def sentence_transformers_prompt(texts):
    """sentence-transformers with a prompt that this model was not trained with."""
    return sentence_transformer().encode(texts, prompt="query: ")


def sentence_transformers_int8(texts):
    """sentence-transformers, vectors as 8-bit integers, calibrated on the texts of the call."""
    return sentence_transformer().encode(texts, precision="int8")


@cache
def _tokenizer_and_model():
    from transformers import AutoModel, AutoTokenizer

    return AutoTokenizer.from_pretrained(minilm()), AutoModel.from_pretrained(minilm()).eval()


def transformers_mean(texts):
    """transformers, as the model card has it: truncation at the tokenizer's length, the mean, unit length."""
    import torch

    tokenizer, model = _tokenizer_and_model()
    batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1).float()
    pooled = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
    return torch.nn.functional.normalize(pooled, p=2, dim=1).numpy()


def transformers_pooler(texts):
    """Transformers' pooler_output, which this model was not trained to give."""
    import torch

    tokenizer, model = _tokenizer_and_model()
    with torch.no_grad():
        return model(**tokenizer(texts, padding=True, truncation=True, return_tensors="pt")).pooler_output.numpy()


@cache
def _static_model():
    from model2vec import StaticModel
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    vectors = load_file(f"{minilm()}/model.safetensors")["embeddings.word_embeddings.weight"]
    return StaticModel(vectors, Tokenizer.from_file(f"{minilm()}/tokenizer.json"), normalize=True)


def model2vec(texts):
    """model2vec with MiniLM's word embeddings as the static vectors."""
    return _static_model().encode(texts)
