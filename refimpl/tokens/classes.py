"""The tokenizer classes of transformers 5 that rebuild a tokenizer from a vocabulary, and what each builds.

These classes take the vocabulary, the merges and the character map from tokenizer.json, and everything else from
tokenizer_config.json and their own defaults: the normalisation and pre-tokenisation in tokenizer.json have no effect.
`TokenizersBackend` uses tokenizer.json as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import tokenizers
from tokenizers import normalizers, pre_tokenizers, processors

Settings = Mapping[str, Any]
Charsmap = normalizers.Normalizer | None
BERT_SPECIAL = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
ROBERTA_SPECIAL = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "mask_token": "<mask>",
}
ALBERT_SPECIAL = {
    **BERT_SPECIAL,
    "bos_token": "[CLS]",
    "eos_token": "[SEP]",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
}
QWEN_SPECIAL = dict.fromkeys(("unk_token", "eos_token", "pad_token"), "<|endoftext|>")
GEMMA_SPECIAL = {
    "unk_token": "<unk>",
    "bos_token": "<bos>",
    "eos_token": "<eos>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}
QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
WORD_PIECE = {"continuing_subword_prefix": ("##",), "max_input_chars_per_word": (100,)}
BYTE_PAIRS = {
    "dropout": (None,),
    "continuing_subword_prefix": ("", None),
    "end_of_word_suffix": ("", None),
    "fuse_unk": (False,),
    "byte_fallback": (False,),
    "ignore_merges": (False,),
}


@dataclass(frozen=True)
class TokenizerClass:
    """What a class of transformers builds around the vocabulary of tokenizer.json."""

    model: str
    """Class of the model in tokenizer.json."""
    special: Mapping[str, str]
    """Its default special tokens by role."""
    keys: Mapping[str, Any]
    """The keys of tokenizer_config.json that it reads, with their defaults."""
    normalizer: Callable[[Settings, Charsmap], normalizers.Normalizer | None]
    pre_tokenizer: Callable[[Settings], pre_tokenizers.PreTokenizer]
    post_processor: Callable[[tokenizers.Tokenizer, Mapping[str, str]], processors.PostProcessor] | None
    """None: that of tokenizer.json, without one `add_bos_token` and `add_eos_token`."""
    files: tuple[str, ...] = ()
    """The files with the vocabulary where there is no tokenizer.json; () for sentencepiece's, which is not read."""
    options: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Settings of the model in tokenizer.json, and the values that the class builds."""
    segments: bool = False
    """Whether its models get token_type_ids."""
    extra_special: tuple[str, ...] = ()
    lstrip_mask: bool = False
    """Whether the mask token includes the space before it."""


def _bert_normalizer(settings: Settings, charsmap: Charsmap) -> normalizers.Normalizer:
    return normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=settings["tokenize_chinese_chars"],
        strip_accents=settings["strip_accents"],
        lowercase=settings["do_lower_case"],
    )


def _albert_normalizer(settings: Settings, charsmap: Charsmap) -> normalizers.Normalizer:
    steps: list[normalizers.Normalizer] = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
    if not settings["keep_accents"]:
        steps += [normalizers.NFKD(), normalizers.StripAccents()]
    if settings["do_lower_case"]:
        steps.append(normalizers.Lowercase())
    return normalizers.Sequence([*steps, *([charsmap] if charsmap else [])])


def _metaspace(settings: Settings) -> pre_tokenizers.PreTokenizer:
    scheme = "always" if settings.get("add_prefix_space", True) else "never"
    steps = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme)]
    return pre_tokenizers.Sequence(steps)


def _qwen_words(settings: Settings) -> pre_tokenizers.PreTokenizer:
    split = pre_tokenizers.Split(tokenizers.Regex(QWEN_WORDS), behavior="isolated", invert=False)
    prefix = bool(settings["add_prefix_space"])
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=False)])


def _template(single: str, pair: str, roles: tuple[str, ...]) -> Callable[..., processors.PostProcessor]:
    """A template in which `{cls_token}` is the token of that role."""

    def post_processor(built: tokenizers.Tokenizer, special: Mapping[str, str]) -> processors.PostProcessor:
        tokens = [(special[role], built.token_to_id(special[role])) for role in roles]
        return processors.TemplateProcessing(
            single=single.format(**special).split(), pair=pair.format(**special).split(), special_tokens=tokens
        )

    return post_processor


def _roberta_ends(built: tokenizers.Tokenizer, special: Mapping[str, str]) -> processors.PostProcessor:
    sep, cls = ((special[role], built.token_to_id(special[role]) or 0) for role in ("sep_token", "cls_token"))
    return processors.RobertaProcessing(sep, cls)


_BERT_ENDS = _template(
    "{cls_token}:0 $A:0 {sep_token}:0",
    "{cls_token}:0 $A:0 {sep_token}:0 $B:1 {sep_token}:1",
    ("cls_token", "sep_token"),
)
_BOS_EOS = _template(
    "{bos_token} $A {eos_token}",
    "{bos_token} $A {eos_token} {eos_token} $B {eos_token}",
    ("bos_token", "eos_token"),
)
_BERT_KEYS = {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True}
_UNIGRAM = {"byte_fallback": (False,)}


BERT = TokenizerClass(
    model="WordPiece",
    special=BERT_SPECIAL,
    keys=_BERT_KEYS,
    normalizer=_bert_normalizer,
    pre_tokenizer=lambda settings: pre_tokenizers.BertPreTokenizer(),
    post_processor=_BERT_ENDS,
    files=("vocab.txt",),
    options=WORD_PIECE,
    segments=True,
)
DISTILBERT = TokenizerClass(
    model="WordPiece",
    special=BERT_SPECIAL,
    keys=_BERT_KEYS,
    normalizer=_bert_normalizer,
    pre_tokenizer=BERT.pre_tokenizer,
    post_processor=_BERT_ENDS,
    files=("vocab.txt",),
    options=WORD_PIECE,
)
MPNET = TokenizerClass(
    model="WordPiece",
    special={**ROBERTA_SPECIAL, "unk_token": "[UNK]"},
    keys=_BERT_KEYS,
    normalizer=_bert_normalizer,
    pre_tokenizer=BERT.pre_tokenizer,
    post_processor=_roberta_ends,
    files=("vocab.txt",),
    options=WORD_PIECE,
    lstrip_mask=True,
)
ROBERTA = TokenizerClass(
    model="BPE",
    special=ROBERTA_SPECIAL,
    keys={"add_prefix_space": False},
    normalizer=lambda settings, charsmap: None,
    pre_tokenizer=lambda settings: pre_tokenizers.ByteLevel(add_prefix_space=settings["add_prefix_space"]),
    post_processor=_roberta_ends,
    files=("vocab.json", "merges.txt"),
    options={**BYTE_PAIRS, "unk_token": (None,)},
)
XLM_ROBERTA = TokenizerClass(
    model="Unigram",
    special=ROBERTA_SPECIAL,
    keys={"add_prefix_space": True},
    normalizer=lambda settings, charsmap: charsmap,
    pre_tokenizer=_metaspace,
    post_processor=_BOS_EOS,
    options={**_UNIGRAM, "unk_id": (3,)},
)
CAMEMBERT = TokenizerClass(
    model="Unigram",
    special=ROBERTA_SPECIAL,
    keys={"add_prefix_space": True},
    normalizer=lambda settings, charsmap: charsmap,
    pre_tokenizer=_metaspace,
    post_processor=_BOS_EOS,
    options=_UNIGRAM,
    extra_special=("<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"),
    lstrip_mask=True,
)
ALBERT = TokenizerClass(
    model="Unigram",
    special=ALBERT_SPECIAL,
    keys={"add_prefix_space": True, "do_lower_case": True, "keep_accents": False},
    normalizer=_albert_normalizer,
    pre_tokenizer=_metaspace,
    post_processor=_BERT_ENDS,
    options={**_UNIGRAM, "unk_id": (1,)},
)
QWEN2 = TokenizerClass(
    model="BPE",
    special=QWEN_SPECIAL,
    keys={"add_prefix_space": None},
    normalizer=lambda settings, charsmap: normalizers.NFC(),
    pre_tokenizer=_qwen_words,
    post_processor=None,
    files=("vocab.json", "merges.txt"),
    options={**BYTE_PAIRS, "unk_token": (None,)},
)
GEMMA = TokenizerClass(
    model="BPE",
    special=GEMMA_SPECIAL,
    keys={},
    normalizer=lambda settings, charsmap: normalizers.Replace(" ", "▁"),
    pre_tokenizer=lambda settings: pre_tokenizers.Split(" ", behavior="merged_with_previous", invert=False),
    post_processor=None,
    options={**BYTE_PAIRS, "fuse_unk": (True,), "byte_fallback": (True,)},
)
T5 = TokenizerClass(
    model="Unigram",
    special={"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"},
    keys={},
    normalizer=lambda settings, charsmap: charsmap,
    pre_tokenizer=lambda settings: _metaspace({}),
    post_processor=_template("$A {eos_token}", "$A {eos_token} $B {eos_token}", ("eos_token",)),
    options={**_UNIGRAM, "unk_id": (2,)},
    extra_special=tuple(f"<extra_id_{i}>" for i in range(100)),
)
CLASSES: dict[str, TokenizerClass | None] = {
    "BertTokenizer": BERT,
    "DistilBertTokenizer": DISTILBERT,
    "ElectraTokenizer": BERT,
    "MPNetTokenizer": MPNET,
    "RobertaTokenizer": ROBERTA,
    "XLMRobertaTokenizer": XLM_ROBERTA,
    "CamembertTokenizer": CAMEMBERT,
    "AlbertTokenizer": ALBERT,
    "Qwen2Tokenizer": QWEN2,
    "GemmaTokenizer": GEMMA,
    "T5Tokenizer": T5,
    "TokenizersBackend": None,
    "PreTrainedTokenizer": None,
    "PreTrainedTokenizerFast": None,
}
"""By name without "Fast"; None: tokenizer.json as it is."""
BY_MODEL_TYPE = {
    "bert": "BertTokenizer",
    "distilbert": "BertTokenizer",
    "nomic_bert": "BertTokenizer",
    "mpnet": "MPNetTokenizer",
    "roberta": "RobertaTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
    "gte": "XLMRobertaTokenizer",
    "camembert": "CamembertTokenizer",
    "albert": "AlbertTokenizer",
    "qwen3": "Qwen2Tokenizer",
    "gemma3_text": "GemmaTokenizer",
    "t5": "T5Tokenizer",
}
"""The class of a model_type whose folder names none; others have `TokenizersBackend`."""
AS_PUBLISHED = ("modernbert",)
"""Model types whose tokenizer.json is used as it is, whatever class the folder names."""
