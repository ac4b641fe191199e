"""Rerankers that run the golden cross-encoder in this process; scores are logits where the package has them."""

from functools import cache

from served import golden_model


def _ranked(scores, top_k):
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    return [{"index": i, "score": float(scores[i])} for i in order[:top_k]]


@cache
def _cross_encoder():
    import torch
    from sentence_transformers import CrossEncoder

    return CrossEncoder(golden_model(), device="cpu", activation_fn=torch.nn.Identity())


def sentence_transformers(query, documents, top_k=None):
    """sentence-transformers' CrossEncoder.rank, without an activation."""
    found = _cross_encoder().rank(query, documents, top_k=top_k)
    return [{"index": one["corpus_id"], "score": float(one["score"])} for one in found]


@cache
def _tokenizer_and_model():
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(golden_model())
    return AutoTokenizer.from_pretrained(golden_model()), model.eval()


def transformers(query, documents, top_k=None):
    """Transformers' AutoModelForSequenceClassification, as model cards have it."""
    import torch

    tokenizer, model = _tokenizer_and_model()
    batch = tokenizer([query] * len(documents), documents, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        return _ranked(model(**batch).logits[:, 0].tolist(), top_k)


@cache
def _flag():
    from FlagEmbedding import FlagReranker

    return FlagReranker(golden_model(), use_fp16=False, devices=["cpu"])


def flag_embedding(query, documents, top_k=None):
    """FlagEmbedding's FlagReranker."""
    return _ranked(_flag().compute_score([(query, text) for text in documents]), top_k)


@cache
def _rerankers():
    from rerankers import Reranker

    return Reranker(golden_model(), model_type="cross-encoder", device="cpu", verbose=0)


def rerankers(query, documents, top_k=None):
    """The package rerankers, model type cross-encoder."""
    found = _rerankers().rank(query, documents, doc_ids=list(range(len(documents)))).results
    return [{"index": one.doc_id, "score": float(one.score)} for one in found][:top_k]


@cache
def _langchain():
    from langchain_community.cross_encoders import HuggingFaceCrossEncoder

    return HuggingFaceCrossEncoder(model_name=golden_model())


def langchain(query, documents, top_k=None):
    """LangChain's HuggingFaceCrossEncoder."""
    return _ranked(list(_langchain().score([(query, text) for text in documents])), top_k)


@cache
def _pymilvus():
    from pymilvus.model.reranker import CrossEncoderRerankFunction

    return CrossEncoderRerankFunction(golden_model(), device="cpu")


def pymilvus_model(query, documents, top_k=None):
    """pymilvus.model's CrossEncoderRerankFunction."""
    return list(_pymilvus()(query, documents, top_k=len(documents) if top_k is None else top_k))


@cache
def _llama_index():
    from llama_index.core.postprocessor import SentenceTransformerRerank

    return SentenceTransformerRerank(model=golden_model(), top_n=1000, device="cpu")


def llama_index(query, documents, top_k=None):
    """llama-index's SentenceTransformerRerank."""
    from llama_index.core.schema import NodeWithScore, TextNode

    nodes = [
        NodeWithScore(node=TextNode(text=text, id_=str(number)), score=0.0) for number, text in enumerate(documents)
    ]
    found = _llama_index().postprocess_nodes(nodes, query_str=query)
    return [{"index": int(one.node.node_id), "score": float(one.score)} for one in found][:top_k]
