"""Clients of rerank APIs, each with `refimpl serve` at the other end: what is measured is what they send and read."""

from functools import cache

from served import KEY, refusals, server


def _pairs(found):
    return [{"index": one.index, "score": one.relevance_score} for one in found]


@cache
def _cohere():
    import cohere

    return cohere.ClientV2(KEY, base_url=server())


def cohere(query, documents, top_k=None):
    """Cohere's ClientV2."""
    from cohere import BadRequestError

    with refusals(BadRequestError):
        return _pairs(_cohere().rerank(model="any", query=query, documents=documents, top_n=top_k).results)


@cache
def _voyage():
    import voyageai

    return voyageai.Client(api_key=KEY, base_url=f"{server()}/v1")


def voyage(query, documents, top_k=None):
    """Voyage's Client."""
    from voyageai.error import InvalidRequestError

    with refusals(InvalidRequestError):
        return _pairs(_voyage().rerank(query, documents, model="any", top_k=top_k).results)


@cache
def _pymilvus_jina():
    from pymilvus.model.reranker import JinaRerankFunction, jinaai

    jinaai.API_URL = f"{server()}/v1/rerank"
    return JinaRerankFunction("any", KEY)


def pymilvus_jina(query, documents, top_k=None):
    """pymilvus.model's JinaRerankFunction."""
    with refusals(RuntimeError):
        return list(_pymilvus_jina()(query, documents, top_k=len(documents) if top_k is None else top_k))


@cache
def _pymilvus_voyage():
    import voyageai
    from pymilvus.model.reranker import VoyageRerankFunction

    function = VoyageRerankFunction("any", KEY)
    function.client = voyageai.Client(api_key=KEY, base_url=f"{server()}/v1")
    return function


def pymilvus_voyage(query, documents, top_k=None):
    """pymilvus.model's VoyageRerankFunction."""
    from voyageai.error import InvalidRequestError

    with refusals(InvalidRequestError):
        return list(_pymilvus_voyage()(query, documents, top_k=len(documents) if top_k is None else top_k))


@cache
def _pymilvus_cohere():
    import cohere
    from pymilvus.model.reranker import CohereRerankFunction

    function = CohereRerankFunction("any", KEY)
    function.client = cohere.ClientV2(KEY, base_url=server())
    return function


def pymilvus_cohere(query, documents, top_k=None):
    """pymilvus.model's CohereRerankFunction."""
    return list(_pymilvus_cohere()(query, documents, top_k=len(documents) if top_k is None else top_k))


@cache
def _pymilvus_tei():
    from pymilvus.model.reranker import TEIRerankFunction

    return TEIRerankFunction(server())


def pymilvus_tei(query, documents, top_k=None):
    """pymilvus.model's TEIRerankFunction."""
    return list(_pymilvus_tei()(query, documents, top_k=len(documents) if top_k is None else top_k))
