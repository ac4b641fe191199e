"""Writes data/vectors/rerank: a small random cross-encoder, and its scores by transformers in float64.

    make peers && .venv/bin/python data/regenerate/rerank.py

No trained cross-encoder may be redistributed, so the weights are random: 2 layers, hidden size 32, its own vocabulary.
Its arithmetic is that of every BERT cross-encoder: segments 0 and 1, pooler, one label.
"""

import hashlib
from typing import Any

import torch
from cases import VECTORS, source, write
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

MODEL = VECTORS / "rerank" / "model"
LONGEST = 64
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SENTENCES = [
    "Which planet is known as the Red Planet?",
    "Venus is often called Earth's twin because of its similar size.",
    "Mars is called the Red Planet because its soil holds iron oxide.",
    "Jupiter, the largest planet, has a prominent red spot.",
    "Saturn, famous for its rings, is sometimes mistaken for it.",
    "How do I normalise a vector? Divide it by its length.",
    "A reranker reads a query and a document together.",
    "Bread is baked, fish is fried, and cats sit on mats.",
]
QUERY = SENTENCES[0]
PLANETS = SENTENCES[1:5]


def make_tokenizer() -> None:
    """Letters, letters inside words, and every second word of the sentences; a trainer would break ties at random."""
    normalizer, parts = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    words = sorted({w for s in SENTENCES for w, _ in parts.pre_tokenize_str(normalizer.normalize_str(s))})
    letters = sorted(set("".join(words)))
    pieces = dict.fromkeys([*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *words[::2]])
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, parts
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    inputs = ["input_ids", "token_type_ids", "attention_mask"]  # without it transformers 5 leaves the segments out
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=LONGEST, model_input_names=inputs, **names
    )
    fast.save_pretrained(MODEL)


def make_model(words: int) -> BertForSequenceClassification:
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=words,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=LONGEST,
        num_labels=1,
        sentence_transformers={"activation_fn": "torch.nn.modules.linear.Identity"},  # scores are logits
    )
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():  # large enough that every part of the arithmetic shows in the logit
            parameter.add_(torch.randn_like(parameter) * 0.3)
    model.save_pretrained(MODEL)
    (MODEL / "model.safetensors").chmod(0o644)
    return model.double().eval()


LONG = " ".join(SENTENCES[1:6])
CASES = [
    (
        "planets",
        "four documents, each read with the query",
        "converters that zero the segment ids or drop the pooler's dense layer",
        QUERY,
        PLANETS,
    ),
    (
        "one-document",
        "a single candidate",
        "pymilvus.model's TEI reranker: always five results",
        QUERY,
        PLANETS[:1],
    ),
    (
        "lengths",
        "documents of very different length in one batch",
        "padding attended to",
        QUERY,
        ["a", PLANETS[1], SENTENCES[6] + " " + SENTENCES[7], ""],
    ),
    (
        "truncation",
        "pairs over the 64 positions lose tokens from the longer text",
        "documents cut from the left, queries cut first",
        QUERY,
        [LONG, LONG + " " + LONG, "Mars"],
    ),
    (
        "long-query",
        "a query longer than the document is the one that is cut",
        "only the document cut",
        " ".join(SENTENCES[2:7]),
        ["Mars", PLANETS[0]],
    ),
    (
        "unicode",
        "letters that the vocabulary does not have, and accents that it strips",
        "",
        "Qué es Márs?",
        ["火星", "márs is réd", "🚀 mars"],
    ),
    ("same-text", "the document is the query", "", QUERY, [QUERY, QUERY.upper(), PLANETS[1]]),
    (
        "ties",
        "equal documents have equal scores",
        "rankings that lose one of two equal documents",
        QUERY,
        [PLANETS[0], PLANETS[1], PLANETS[0], PLANETS[1]],
    ),
    (
        "many",
        "more documents than a TEI request holds (32)",
        "batches not put together again",
        QUERY,
        [" ".join(SENTENCES[1 + i % 7].split()[: 2 + i % 9]) for i in range(40)],
    ),
]


def main() -> None:
    MODEL.mkdir(parents=True, exist_ok=True)
    make_tokenizer()
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = make_model(len(tokenizer))
    written: list[dict[str, Any]] = []
    for name, reason, who, query, documents in CASES:
        logits = []
        for document in documents:  # one by one, so that no padding takes part
            # lists, as in sentence-transformers' CrossEncoder: a plain "" would mean no second text
            batch = tokenizer([query], [document], truncation=True, max_length=LONGEST, return_tensors="pt")
            assert batch["token_type_ids"].any()
            with torch.no_grad():
                logits.append(float(model(**batch).logits[0, 0]))
        sigmoids = torch.sigmoid(torch.tensor(logits, dtype=torch.float64)).tolist()
        row = {
            "name": name,
            "reason": reason,
            "who": who,
            "input": {"query": query, "documents": documents, "top_k": None},
        }
        written.append({**row, "expected": {"logits": logits, "sigmoids": sigmoids}, "source": source("transformers")})
    files = sorted(file.name for file in MODEL.iterdir())
    hashes = {name: hashlib.sha256((MODEL / name).read_bytes()).hexdigest() for name in files}
    write("rerank", "rerank.py", written, model={"folder": "rerank/model", "files": hashes})


if __name__ == "__main__":
    main()
