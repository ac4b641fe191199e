"""Small random rerankers written by transformers, for tests: the arithmetic is the peers', the weights are noise."""

from pathlib import Path
from typing import Any

SENTENCES = [
    "the quick brown fox jumps over the lazy dog",
    "a reranker reads a query and a document together",
    "which planet is known as the red planet",
    "mars is red because its soil holds iron oxide",
    "naïve café, größer, 火星是红色的 🚀",
]
WORDS = " ".join(SENTENCES).split()


def documents(count: int, longest: int, seed: int = 0) -> list[str]:
    import numpy as np

    random = np.random.default_rng(seed)
    lengths = [0, 1, longest, *random.integers(1, longest, max(0, count - 3)).tolist()][:count]
    return [" ".join(random.choice(WORDS, length)) for length in lengths]


def _noise(model: Any) -> Any:
    """Weights large enough that every part of the arithmetic shows in the logits."""
    import torch

    torch.manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.15)
    return model.double().eval()


def bert(folder: Path, tokenizer_json: Path, labels: int = 1, **config: Any) -> Any:
    """A two-layer BertForSequenceClassification over `tokenizer_json`'s vocabulary, saved in float64."""
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    model = BertForSequenceClassification(BertConfig(**sizes, num_labels=labels, max_position_embeddings=48, **config))
    _noise(model).save_pretrained(folder)
    BertTokenizerFast(tokenizer_file=str(tokenizer_json), model_max_length=48).save_pretrained(folder)
    return model


def xlm_roberta(folder: Path) -> Any:
    """A two-layer XLMRobertaForSequenceClassification with a unigram tokenizer trained on the sentences above."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForSequenceClassification

    special = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=90, special_tokens=list(special.values()), unk_token="<unk>")
    tokenizer.train_from_iterator(SENTENCES * 20, trainer)
    ends = [("<s>", tokenizer.token_to_id("<s>")), ("</s>", tokenizer.token_to_id("</s>"))]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ends
    )
    config = XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=42,
        num_labels=1,
        type_vocab_size=1,
        pad_token_id=1,
    )
    model = XLMRobertaForSequenceClassification(config)
    _noise(model).save_pretrained(folder)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special, model_max_length=40, cls_token="<s>")
    fast.save_pretrained(folder)
    return model
