"""Encoders of frameworks and databases, each with all-MiniLM-L6-v2's folder: pymilvus.model, LangChain, and others."""

from functools import cache

from embed_models import minilm


@cache
def _pymilvus():
    from pymilvus.model.dense import SentenceTransformerEmbeddingFunction

    return SentenceTransformerEmbeddingFunction(minilm(), device="cpu")


def pymilvus_model(texts):
    """pymilvus.model's SentenceTransformerEmbeddingFunction."""
    return _pymilvus().encode_documents(list(texts))


@cache
def _langchain():
    from langchain_community.embeddings import HuggingFaceEmbeddings

    return HuggingFaceEmbeddings(model_name=minilm())


def langchain(texts):
    """LangChain's HuggingFaceEmbeddings."""
    return _langchain().embed_documents(list(texts))


@cache
def _chroma():
    from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction

    return SentenceTransformerEmbeddingFunction(model_name=minilm(), device="cpu")


def chroma(texts):
    """Chroma's SentenceTransformerEmbeddingFunction."""
    return _chroma()(list(texts))


@cache
def _flag():
    from FlagEmbedding import FlagModel

    return FlagModel(minilm(), pooling_method="mean", use_fp16=False, devices=["cpu"])


def flag_embedding(texts):
    """FlagEmbedding's FlagModel with mean pooling."""
    return _flag().encode(list(texts))


@cache
def _llama_index():
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    return HuggingFaceEmbedding(minilm(), device="cpu")


def llama_index(texts):
    """llama-index's HuggingFaceEmbedding."""
    return _llama_index().get_text_embedding_batch(list(texts))
