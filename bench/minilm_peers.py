"""all-MiniLM-L6-v2 in the other libraries: the same published weights, 256 tokens, float32, unit vectors."""

import json
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from filelock import FileLock

from bench import peers
from refimpl import models
from refimpl.common import stamp
from refimpl.common.resources import cache_dir

MODEL = "all-MiniLM-L6-v2"
MAX_LENGTH = 256
BATCH_SIZE = 32  # sentence-transformers' own default
Encode = Callable[[list[str]], np.ndarray]


def sentence_transformers_encoder(threads: int) -> Encode | None:
    """As its users call it: `SentenceTransformer.encode`, which sorts by length and pads each batch."""
    library, torch = peers.get("sentence_transformers"), peers.get("torch")
    if library is None or torch is None:
        return None
    torch.set_num_threads(threads)
    model = library.SentenceTransformer(str(models.path(MODEL)), device="cpu", local_files_only=True)
    model.max_seq_length = MAX_LENGTH
    return lambda texts: model.encode(texts, batch_size=BATCH_SIZE, normalize_embeddings=True, show_progress_bar=False)


def onnxruntime_encoder(threads: int) -> Encode | None:
    """One session on all threads; batches sorted by length, as sentence-transformers does."""
    if (graph := _exported()) is None:
        return None
    run, tokenizer = _session(graph, threads), _tokenizer()
    return lambda texts: _encoded(tokenizer.encode_batch(texts), lambda batches: map(run, batches))


def onnxruntime_encoder_a_core(threads: int) -> Encode | None:
    """A session with one thread for each core, which take the same batches in turn."""
    if (graph := _exported()) is None:
        return None
    sessions, tokenizer, pool = [_session(graph, 1) for _ in range(threads)], _tokenizer(), ThreadPoolExecutor(threads)
    free: SimpleQueue[Any] = SimpleQueue()
    for session in sessions:
        free.put(session)

    def run(batch: Batch) -> np.ndarray:
        session = free.get()
        try:
            return session(batch)
        finally:
            free.put(session)

    return lambda texts: _encoded(tokenizer.encode_batch(texts), lambda batches: pool.map(run, batches))


def onnxruntime_encoder_padded(threads: int) -> Encode | None:
    """As Chroma and pymilvus.model call it: every text padded to the full window, in the order given."""
    if (graph := _exported()) is None:
        return None
    run, tokenizer = _session(graph, threads), _tokenizer()
    tokenizer.enable_padding(length=MAX_LENGTH)
    return lambda texts: _encoded(tokenizer.encode_batch(texts), lambda batches: map(run, batches))


def fastembed_encoder(threads: int) -> Encode | None:
    """As its users call it: texts in the order given, batches padded to their longest text, the same graph."""
    library, graph = peers.get("fastembed"), _exported()
    if library is None or graph is None:
        return None
    from fastembed.common.model_description import ModelSource, PoolingType

    folder = _fastembed_folder(graph)
    options = {"pooling": PoolingType.DISABLED, "normalization": False, "dim": 384, "model_file": graph.name}
    library.TextEmbedding.add_custom_model(MODEL, sources=ModelSource(hf=MODEL), **options)
    model = library.TextEmbedding(MODEL, threads=threads, specific_model_path=str(folder))
    return lambda texts: np.stack(list(model.embed(texts, batch_size=BATCH_SIZE)))


def _fastembed_folder(graph: Path) -> Path:
    """The graph with the files that fastembed reads beside it, and the maximum length of the others."""
    folder = graph.with_suffix(".fastembed")
    folder.mkdir(exist_ok=True)
    if not (folder / graph.name).exists():
        (folder / graph.name).symlink_to(graph)
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(models.path(MODEL) / name, folder)
    tokens = {f"{name.lower()}_token": f"[{name}]" for name in ("CLS", "SEP", "PAD", "UNK", "MASK")}
    (folder / "special_tokens_map.json").write_text(json.dumps(tokens))
    (folder / "tokenizer_config.json").write_text(json.dumps({**tokens, "model_max_length": MAX_LENGTH}))
    return folder


Batch = dict[str, np.ndarray]


def _session(graph: Path, threads: int) -> Callable[[Batch], np.ndarray]:
    """The exported graph with every optimisation of onnxruntime's."""
    runtime = peers.get("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = runtime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(None, batch)[0]


def _tokenizer() -> Any:
    tokenizer = peers.get("tokenizers").Tokenizer.from_file(str(models.path(MODEL) / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_LENGTH)
    tokenizer.no_padding()
    return tokenizer


def _encoded(encodings: list[Any], run: Callable[[list[Batch]], Iterable[np.ndarray]]) -> np.ndarray:
    """Batches of 32, the longest texts first, through `run`; vectors in the order of the texts."""
    order = sorted(range(len(encodings)), key=lambda i: -len(encodings[i].ids))
    groups = [order[start : start + BATCH_SIZE] for start in range(0, len(order), BATCH_SIZE)]
    vectors = np.empty((len(encodings), 384), dtype=np.float32)
    for rows, found in zip(groups, run([_batch([encodings[row] for row in rows]) for rows in groups]), strict=True):
        vectors[rows] = found
    return vectors


def _batch(encodings: list[Any]) -> Batch:
    ids = np.zeros((len(encodings), max(len(encoding.ids) for encoding in encodings)), dtype=np.int64)
    mask = np.zeros_like(ids)
    for i, encoding in enumerate(encodings):
        ids[i, : len(encoding.ids)] = encoding.ids
        mask[i, : len(encoding.ids)] = encoding.attention_mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def _exported() -> Path | None:
    """The ONNX file, exported by torch once and kept in the cache under torch's and transformers' versions."""
    torch, transformers = peers.get("torch"), peers.get("transformers")
    if None in (torch, transformers, peers.get("onnxscript"), peers.get("onnxruntime"), peers.get("tokenizers")):
        return None
    versions = f"torch-{stamp.library_version('torch')}-transformers-{stamp.library_version('transformers')}"
    file = cache_dir() / "bench" / f"{MODEL}-{versions}.onnx"
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        if not file.exists():
            partial = file.with_suffix(".partial")
            _export(torch, transformers, partial)
            partial.rename(file)
    return file


def _export(torch: Any, transformers: Any, file: Path) -> None:
    class Embed(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, bert: Any) -> None:
            super().__init__()
            self.bert = bert

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            states = self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state
            weight = attention_mask.unsqueeze(-1).to(states.dtype)
            return torch.nn.functional.normalize((states * weight).sum(1) / weight.sum(1), dim=1)

    bert = transformers.AutoModel.from_pretrained(str(models.path(MODEL)), attn_implementation="eager").eval()
    ids = torch.ones((2, 8), dtype=torch.long)
    mask = ids.clone()
    mask[0, 5:] = 0  # a sample with padding, or the exporter drops the mask
    names = ["input_ids", "attention_mask", "token_type_ids"]
    batch, seq = torch.export.Dim("batch", min=1, max=4096), torch.export.Dim("seq", min=2, max=512)
    torch.onnx.export(
        Embed(bert),
        (ids, mask, ids * 0),
        str(file),
        input_names=names,
        output_names=["vectors"],
        dynamic_shapes={name: {0: batch, 1: seq} for name in names},
        opset_version=20,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
