"""BGE rerankers: cross-encoders on pairs in which the query is kept and the document alone is truncated."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from refimpl.common.arguments import check_device, refuse_keywords
from refimpl.reranker.cross_encoder import CrossEncoderRerankFunction
from refimpl.tokens import Tokens

PREPEND = "prepend it to the query or the documents"
UNSUPPORTED = {  # parameters of FlagEmbedding's FlagAutoReranker, which pymilvus.model passes on
    "cache_dir": "refimpl.models determines where files come from",
    "compress_layers": "BGE's encoders have no layers to compress",
    "compress_ratio": "BGE's encoders have no layers to compress",
    "cutoff_layers": "BGE's encoders have no layers to leave out",
    "model_class": "it is read from the model's folder",
    "passage_instruction_for_rerank": PREPEND,
    "passage_instruction_format": PREPEND,
    "prompt": "BGE's encoders have no prompt",
    "query_instruction_for_rerank": PREPEND,
    "query_instruction_format": PREPEND,
    "trust_remote_code": "code from a model's folder is never run",
    "use_bf16": "refimpl computes in float32 or float64",
}


class BGERerankFunction(CrossEncoderRerankFunction):
    """Reranker of the BGE cross-encoders, such as BAAI/bge-reranker-v2-m3.

    Parameters
    ----------
    model_name
        A folder or a hub repository of a BERT or XLM-RoBERTa sequence classifier with one label.
    use_fp16
        Either value gives float32, as in FlagEmbedding on a CPU, which has no half precision there.
    batch_size
        Pairs per forward pass.
    normalize
        Whether scores are probabilities (the sigmoid of the logits), or else the logits.
    device
        "cpu", "" or None, or a list of these.
    query_max_length
        Tokens of the query, without special tokens; a longer query is truncated.
    max_length
        Tokens per pair, special tokens included; of a longer pair, the document is truncated.
    dtype
        "float32" computes with the packed forward; "float64" with the textbook forward, the reference.
    num_workers
        Threads of the float32 forward; by default the cores that this process may use.
    **kwargs
        `devices`, another name of `device`; further keywords of FlagEmbedding, accepted where they are None or False.

    Raises
    ------
    FileNotFoundError
        If a file of the model folder is missing.
    ValueError
        If the model has no classifier with one label, or an argument is out of range.
    TypeError
        If a keyword has no effect here.

    Notes
    -----
    Truncation is that of FlagEmbedding 1.4's encoder-only reranker; `CrossEncoderRerankFunction`, as
    sentence-transformers, truncates the longer of the two texts. An activation in config.json has no effect. Xiao et
    al. 2023, "C-Pack"; Nogueira and Cho 2019, section 2.2.

    Examples
    --------
    >>> from refimpl import BGERerankFunction
    >>> rerank = BGERerankFunction("BAAI/bge-reranker-v2-m3", query_max_length=16, max_length=40)
    >>> results = rerank("Which planet is red?", ["Venus is hot.", "Mars is red.", "Jupiter"], top_k=2)
    >>> len(results), 1 > results[0].score >= results[1].score > 0
    (2, True)
    """

    def __init__(
        self,
        model_name: str | Path = "BAAI/bge-reranker-v2-m3",
        use_fp16: bool = True,
        batch_size: int = 32,
        normalize: bool = True,
        device: str | list[str] | None = None,
        query_max_length: int = 256,
        max_length: int = 512,
        *,
        dtype: str = "float32",
        num_workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_device(device)
        check_device(kwargs.pop("devices", None), "devices")
        refuse_keywords(self, kwargs, UNSUPPORTED)
        self.normalize, self.query_max_length = normalize, query_max_length
        super().__init__(
            model_name,
            batch_size=batch_size,
            dtype=dtype,
            max_length=max_length,
            activation="sigmoid" if normalize else "none",
            num_workers=num_workers,
        )
        self.tokens("", [""])  # raises for a query_max_length that max_length has no room for

    def tokens(self, query: str, documents: Sequence[str]) -> Tokens:
        """Return the token ids of the pairs."""
        pairs = self.tokenizer.pairs_with(self.prompt + query, documents, self.query_max_length)
        return self.with_segments(pairs)
