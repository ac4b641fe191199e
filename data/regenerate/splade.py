"""Writes data/vectors/splade from transformers in float64, with the weights of splade-tiny.

    make peers && .venv/bin/python data/regenerate/splade.py

Each text is a batch of its own: log(1 + relu(logit)), the maximum over its tokens, [CLS] and [SEP] included.
"""

import json

import torch
from cases import VECTORS, source, write
from transformers import AutoModelForMaskedLM, AutoTokenizer

from refimpl import models

LONGEST = 512
WHO = "pymilvus.model, which takes the maximum over padding too"
OWN = [
    ("question", "a question", WHO, "does the fish purr like a cat?"),
    ("answer", "a text of other length beside it", WHO, "A cat is a feline and likes to eat bird"),
    ("long", "a text over the 512 positions is cut", "IndexError in the position table", "ship and sea " * 200),
]
GOLDEN = (
    "empty",
    "space",
    "one-letter",
    "one-unknown",
    "unknown-among",
    "case",
    "case-lowered",
    "accents",
    "chinese",
    "emoji",
    "punctuation",
    "repeated-term",
)


def main() -> None:
    folder = models.path("splade-tiny")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder).double().eval()
    texts = {c["name"]: c for c in json.loads((VECTORS / "minilm" / "texts.json").read_text(encoding="utf-8"))}
    selected = list(OWN)
    for name in GOLDEN:
        case = texts[name]
        selected.append((name, case["reason"], "", case["text"] if "text" in case else case["repeat"] * case["times"]))
    written = []
    for name, reason, who, text in selected:
        batch = tokenizer(text, truncation=True, max_length=LONGEST, return_tensors="pt")
        with torch.no_grad():
            weights = torch.log1p(torch.relu(model(**batch).logits[0])).max(dim=0).values
        columns = torch.nonzero(weights).ravel().tolist()
        expected = {str(column): float(weights[column]) for column in columns}
        row = {"name": name, "reason": reason, "who": who, "input": text, "expected": expected}
        written.append({**row, "source": source("transformers")})
    sha256 = models.SOURCES["splade-tiny"].files["model.safetensors"]
    write("splade", "splade.py", written, model={"name": "splade-tiny", "sha256": sha256})


if __name__ == "__main__":
    main()
