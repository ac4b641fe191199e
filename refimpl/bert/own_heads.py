"""Folders of sentence-transformers for functions that compute with the token vectors themselves: MaxSim and BGE-M3."""

from dataclasses import dataclass
from pathlib import Path

from refimpl.bert.files import WeightsError
from refimpl.bert.routes import one_list
from refimpl.bert.sentence_files import LENGTHS, check_files, read_prompts, sentence_settings, transformer_settings
from refimpl.bert.steps import encoder_width, read_pooling

AFTER = ("Normalize", "Dropout")


@dataclass(frozen=True)
class EncoderFolder:
    """The encoder's folder, and what precedes its tokenizer."""

    folder: Path
    lowercase: bool = False
    prompt: str = ""
    """The default prompt, before each text."""


def read_encoder_folder(root: Path, pooling: str) -> EncoderFolder:
    """Read the sentence-transformers files of `root`, whose modules must be an encoder and this pooling.

    The function's own head takes the place of the modules, so those of another head are refused, and a truncate_dim.
    Raises WeightsError, which names file and key.
    """
    settings = sentence_settings(root, "SentenceTransformer")
    file = root / "config_sentence_transformers.json"
    if settings.get("truncate_dim") is not None:
        raise WeightsError(f"{file}: expected truncate_dim None, got {settings['truncate_dim']!r}: it is not supported")
    prompts, default = read_prompts(root, settings)
    prompt = "" if default is None else prompts[default]
    if not (root / "modules.json").is_file():
        check_files(root)
        return EncoderFolder(root, prompt=prompt)
    modules = one_list(root)
    kinds = [kind for kind, _ in modules]
    if kinds[:2] != ["Transformer", "Pooling"] or any(kind not in AFTER for kind in kinds[2:]):
        expected = f"Transformer, Pooling, then {' or '.join(AFTER)}"
        raise WeightsError(f"{root / 'modules.json'}: expected {expected}, got {', '.join(kinds) or 'nothing'}")
    encoder, config = modules[0][1], modules[1][1] / "config.json"
    modes, include_prompt = read_pooling(modules[1][1], encoder_width(encoder))
    if modes != (pooling,):
        raise WeightsError(f"{config}: expected pooling_mode {pooling!r}, got {', '.join(modes)}: it is not supported")
    if prompt and not include_prompt:
        raise WeightsError(f"{config}: expected include_prompt true with a default prompt, got False")
    of_transformer = transformer_settings(encoder, "SentenceTransformer")
    for key in LENGTHS.values():
        if (length := of_transformer.get(key)) is not None:
            file = encoder / "sentence_bert_config.json"
            raise WeightsError(f"{file}: expected {key} None, got {length}: remove the key")
    return EncoderFolder(encoder, of_transformer.get("do_lower_case", False), prompt)
