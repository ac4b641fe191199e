"""Of data/vectors/family: heads, Qwen3-Reranker's scores, tasks of jina-embeddings-v3; `family.py` calls these."""

import contextlib
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import seeded
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from transformers import PreTrainedTokenizerFast

HEADS = {"MaskedLM": {}, "SequenceClassification": {"num_labels": seeded.LABELS}}


def head_models() -> dict[str, dict]:
    """Settings, names and shapes of every architecture with every head."""
    return {
        f"{kind}/{head}": seeded.described(seeded.torch_model(kind, f"AutoModelFor{head}", **settings))
        for kind in seeded.HEADED
        for head, settings in HEADS.items()
    }


def logits() -> dict[str, np.ndarray]:
    """Of one text: a row for each token of masked-LM heads, one of classifiers."""
    arrays = {}
    ids = torch.tensor(seeded.token_ids([seeded.HEAD_LENGTH])[0].astype(np.int64))[None]
    for kind in seeded.HEADED:
        for head, settings in HEADS.items():
            model = seeded.torch_model(kind, f"AutoModelFor{head}", **settings)
            with torch.no_grad(), seeded.float64_throughout():
                computed = model(input_ids=ids).logits.numpy()
            arrays[f"{head}/{kind}"] = computed[0] if head == "MaskedLM" else computed
    return arrays


def scores() -> dict[str, np.ndarray]:
    """The steps of Qwen3-Reranker's model card, pair by pair, in float64."""
    prefix = (
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct"
        ' provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
    )
    suffix = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    task = "Given a web search query, retrieve relevant passages that answer the query"
    model = seeded.torch_model("qwen3", "AutoModelForCausalLM", **seeded.QWEN3_RERANKER)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=seeded.qwen3_tokenizer())
    answers = [tokenizer.convert_tokens_to_ids(answer) for answer in ("no", "yes")]
    rows = []
    for document in seeded.TEXTS:
        body = f"<Instruct>: {task}\n<Query>: {seeded.TEXTS[1]}\n<Document>: {document}"
        parts = [tokenizer.encode(text, add_special_tokens=False) for text in (prefix, body, suffix)]
        with torch.no_grad(), seeded.float64_throughout():
            last = model(input_ids=torch.tensor([list(chain(*parts))])).logits[0, -1]
        rows.append(torch.softmax(last[answers], dim=0)[1].item())
    return {"qwen3_reranker": np.array(rows)}


@contextlib.contextmanager
def merged(task: str) -> Iterator[Path]:
    """A folder of jina-embeddings-v3 after W + (alpha / r) B A of a task in torch, as transformers reads it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = seeded.torch_folder(Path(temporary), "jina_embeddings_v3")
        stored = load_file(folder / "model.safetensors")
        published = {name: tensor.numpy() for name, tensor in stored.items()}
        adapters = {name: torch.tensor(array).double() for name, array in seeded.adapters(published).items()}
        row = seeded.LORA["lora_adaptations"].index(task)
        scale = seeded.LORA["lora_alpha"] / seeded.LORA["lora_rank"]
        a, b = (".parametrizations.weight.0.lora_A", ".parametrizations.weight.0.lora_B")
        for stem in {name.removesuffix(a) for name in adapters if name.endswith(a)}:
            pair = (adapters[stem + b][row], adapters[stem + a][row])
            update = torch.matmul(*(reversed(pair) if "embeddings" in stem else pair))
            stored[f"{stem}.weight"] = stored[f"{stem}.weight"].double() + scale * update
        save_file({name: tensor.contiguous() for name, tensor in stored.items()}, folder / "model.safetensors")
        yield folder


def task_vectors() -> dict[str, np.ndarray]:
    """Vectors with the adapter and the prompt of each task."""
    arrays = {}
    for task in seeded.JINA_PROMPTS:
        with merged(task) as folder, seeded.float64_throughout():
            mean = {"pooling_mode_mean_tokens": True}
            seeded.sentence_folder(folder, mean, ("Normalize", {}), prompts=seeded.JINA_PROMPTS)
            options = {"attn_implementation": "eager", "dtype": torch.float64}
            model = SentenceTransformer(str(folder), device="cpu", model_kwargs=options).double()
            vectors = [model.encode([text], prompt_name=task) for text in seeded.TEXTS]
        arrays[f"task_vectors/{task}"] = np.concatenate(vectors)
    return arrays
