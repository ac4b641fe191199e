"""splade-tiny in the other libraries: the same published weights, float32, sparse rows `(texts, vocab)`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array, vstack

from bench import peers
from refimpl import models

MODEL = "splade-tiny"
BATCH_SIZE = 32  # pymilvus.model's default, and sentence-transformers'
Encode = Callable[[list[str]], Any]


def transformers_encoder(threads: int, *, maximum_first: bool) -> Encode | None:
    """As SPLADE's authors and pymilvus.model compute it, but without padding; batches sorted by length.

    log(1 + relu(x)) of every logit and then the maximum over tokens; `maximum_first` swaps the two, which is equal and
    faster.
    """
    torch, transformers = peers.get("torch"), peers.get("transformers")
    if torch is None or transformers is None:
        return None
    torch.set_num_threads(threads)
    folder = str(models.path(MODEL))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForMaskedLM.from_pretrained(folder).eval()

    def rows(texts: list[str]) -> csr_array:
        batch = tokenizer(texts, padding=True, truncation=True, max_length=512, return_tensors="pt")
        logits = model(**batch).logits
        mask = batch["attention_mask"].unsqueeze(-1)
        if maximum_first:
            largest = logits.masked_fill_(mask == 0, 0.0).amax(dim=1)
            return csr_array(torch.log1p(torch.relu_(largest)).numpy())
        return csr_array((torch.log1p(torch.relu(logits)) * mask).amax(dim=1).numpy())

    def encode(texts: list[str]) -> csr_array:
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        with torch.inference_mode():
            parts = [
                rows([texts[i] for i in order[start : start + BATCH_SIZE]])
                for start in range(0, len(order), BATCH_SIZE)
            ]
        return csr_array(vstack(parts, format="csr")[np.argsort(order)])

    return encode


def sentence_transformers_encoder(threads: int) -> Encode | None:
    """`SparseEncoder.encode`, with its own masked-LM module and SPLADE pooling."""
    library, torch = peers.get("sentence_transformers"), peers.get("torch")
    if library is None or torch is None:
        return None
    from sentence_transformers.sparse_encoder.modules import MLMTransformer, SpladePooling

    torch.set_num_threads(threads)
    modules = [MLMTransformer(str(models.path(MODEL)), max_seq_length=512), SpladePooling(pooling_strategy="max")]
    model = library.SparseEncoder(modules=modules, device="cpu")
    return lambda texts: model.encode(texts, batch_size=BATCH_SIZE, show_progress_bar=False)


def as_csr(result: Any) -> csr_array:
    """A library's sparse result as a scipy csr_array."""
    if isinstance(result, csr_array):
        return result
    coo = result.coalesce()
    return csr_array(coo_array((coo.values().numpy(), coo.indices().numpy()), shape=tuple(coo.shape)))
