"""SPLADE's expansion: the words that the model adds to a text, and the terms of the inner product."""

from typing import Any

from scipy.sparse import csr_array

from refimpl.common.warning import silenced
from refimpl.explain.panel import Panel, digits, quoted
from refimpl.explain.scene import Scene
from refimpl.sparse.splade import SpladeEmbeddingFunction, largest_logits
from refimpl.tokens import TruncationWarning

SHOWN_TERMS = 24


def panel(scene: Scene, model: str) -> Panel:
    """Collect the largest weights of every text, and each document's score as a sum over the shared terms."""
    function = SpladeEmbeddingFunction(model, dtype="float64")
    texts = [text.text for text in scene.texts]
    with silenced(TruncationWarning):  # the page states which of its texts are truncated
        rows = function(texts)
    pieces = [set(function.tokenizer.tokens_of(text)) for text in texts]
    named = [
        {
            "name": text.name,
            "terms": [
                {"term": term, "weight": weight, "written": term in written}
                for term, weight in function.decode(rows[[i]])[:SHOWN_TERMS]
            ],
            "count": int(rows.indptr[i + 1] - rows.indptr[i]),
            "added": sum(term not in written for term, _ in function.decode(rows[[i]])),
        }
        for i, (text, written) in enumerate(zip(scene.texts, pieces, strict=True))
    ]
    return Panel(
        "splade",
        "SPLADE",
        (
            "SPLADE also represents a text by words and weights, but a masked language model chooses them: besides the "
            "words of the text it adds words that fit there too, so that texts without a common word can match.",
            "A word's weight is log(1 + x) of its largest positive logit x over the tokens of the text, and two "
            "texts' score is the sum, over the words in both, of the products of their weights.",
        ),
        _look_for(named),
        (largest_logits,),
        {
            "model": model.rpartition("/")[2],
            "texts": named,
            "documents": [_shared(function, rows[[0]], rows[[i]]) for i in range(1, len(texts))],
        },
    )


def _look_for(texts: list[dict[str, Any]]) -> str:
    """The added word with the largest weight, of the question or else of a document."""
    for text in texts:
        added = [term for term in text["terms"] if not term["written"]]
        if added:
            first = added[0]
            return (
                f"{text['name']}: {quoted(first['term'])} is not in the text and gets the weight "
                f"{digits(first['weight'])}, the largest of {text['added']} added words; is it one that you would add?"
            )
    return "The model adds no word to any text here, so two texts match only by the words that both contain."


def _shared(function: SpladeEmbeddingFunction, question: csr_array, document: csr_array) -> dict[str, Any]:
    products = csr_array(question.multiply(document))
    in_question, in_document = dict(function.decode(question)), dict(function.decode(document))
    shared = function.decode(products)
    return {
        "score": float(products.sum()),
        "count": len(shared),
        "terms": [
            {"term": term, "question": in_question[term], "document": in_document[term], "product": product}
            for term, product in shared[:SHOWN_TERMS]
        ],
    }
