"""A model of BGE-M3's real size with random weights in a folder, and what it costs a process to run it.

    python tests/helpers/bge_m3_real_size.py FOLDER

writes the folder once (2.3 GB; torch) and prints, for a child process that has no torch, its peak memory.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

CONFIG = {
    "model_type": "xlm-roberta",
    "vocab_size": 250002,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "max_position_embeddings": 8194,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
    "hidden_act": "gelu",
    "pad_token_id": 1,
}
MEASURED = """
import sys, time
started = time.perf_counter()
from refimpl import BGEM3EmbeddingFunction
function = BGEM3EmbeddingFunction(sys.argv[1], return_colbert_vecs=True)
loaded = time.perf_counter()
texts = ["w%d w%d w%d" % (i, 2 * i, 3 * i) for i in range(40)] + [" ".join("w%d" % i for i in range(int(sys.argv[2])))]
vectors = function.encode_documents(texts)
assert vectors["dense"].shape == (41, 1024) and vectors["sparse"].shape == (41, 250002)
peak = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024  # kB there
print(len(vectors["colbert_vecs"][-1]) + 1, loaded - started, time.perf_counter() - loaded, peak)
"""


def write(folder: Path) -> None:
    """pytorch_model.bin as torch writes it, the two heads, and a unigram vocabulary of full size."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [(token, 0.0) for token in special] + [(f"▁w{i}", -9.0) for i in range(CONFIG["vocab_size"] - 4)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    ends = [("<s>", 0), ("</s>", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(folder / "tokenizer.json"))
    roles = {"cls_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 8192, **roles}))
    from refimpl.bert.config import BertConfig
    from refimpl.bert.shapes import encoder_shapes

    torch.manual_seed(1)
    shapes = encoder_shapes(BertConfig.load(folder))
    torch.save({name: torch.randn(shape) * 0.02 for name, shape in shapes.items()}, folder / "pytorch_model.bin")
    for name, rows in (("sparse", 1), ("colbert", 1024)):
        state = torch.nn.Linear(1024, rows).half().state_dict()
        torch.save(state, folder / f"{name}_linear.pt")


def measured(folder: Path, words: int) -> tuple[int, float, float, int]:
    """Tokens of the longest text, seconds to load, seconds to encode, peak memory in bytes; of a child process."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", MEASURED, str(folder), str(words)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    tokens, loaded, encoded, peak = done.stdout.split()
    return int(tokens), float(loaded), float(encoded), int(peak)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    if not (place / "colbert_linear.pt").is_file():
        write(place)
    for words in (500, 8190):
        started = time.perf_counter()
        tokens, loaded, encoded, rss_bytes = measured(place, words)
        spent = f"loaded in {loaded:.1f} s, 40 short texts and one of {tokens} tokens in {encoded:.1f} s"
        print(f"{spent}, peak {rss_bytes / 1e9:.3f} GB", flush=True)
