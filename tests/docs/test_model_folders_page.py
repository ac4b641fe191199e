"""docs/model-folders.md lists the keys that the code's tables list, and no others."""

import re
from pathlib import Path

import pytest

from refimpl.bert import sentence_files
from refimpl.bert.architectures import keys
from refimpl.dense.modules import AFTER_POOLING, LEGACY_MODES
from refimpl.sparse import splade_folder
from refimpl.tokens import settings

PAGE = (Path(__file__).parents[2] / "docs" / "model-folders.md").read_text(encoding="utf-8")
LISTED = {
    "config.json": {"without influence": keys.IRRELEVANT, "one supported value": keys.ONLY},
    "tokenizer_config.json": {
        "honoured": settings.HONOURED,
        "without influence": settings.IRRELEVANT,
        "one supported value": settings.ONLY,
    },
    "config_sentence_transformers.json": {
        "honoured": sentence_files.HONOURED.union(*sentence_files.KINDS.values()),
        "without influence": sentence_files.IRRELEVANT,
        "one supported value": sentence_files.ONLY,
    },
    "sentence_bert_config.json": {
        "honoured": sentence_files.TRANSFORMER_KEYS,
        "one supported value": {
            *sentence_files.TRANSFORMER_ONLY,
            *("transformer_task", "module_output_name", "modality_config"),
        },
    },
    "1_Pooling/config.json": {"honoured": LEGACY_MODES.keys() | {"pooling_mode", "include_prompt"}},
    "1_SpladePooling/config.json": {"honoured": {"pooling_strategy", "activation_function"}},
}


def section(title: str) -> str:
    """The text under a heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title}"
    return found[1]


@pytest.mark.parametrize(("file", "group"), [(file, group) for file, groups in LISTED.items() for group in groups])
def test_the_page_lists_the_keys_of_the_code(file, group):
    row = next(line for line in section(file).splitlines() if line.startswith(f"| {group} |"))
    assert set(re.findall(r"`([^`]+)`", row.split("|")[2])) == set(LISTED[file][group])


def test_the_page_lists_the_modules_and_the_refused_files():
    modules = section("modules.json")
    for name in (*AFTER_POOLING, *splade_folder.TASK_OF_CLASS, "Pooling", "SpladePooling"):
        assert f"`{name}`" in modules, name
    for name in (*sentence_files.REFUSED_FILES, settings.CHAT_TEMPLATE, *settings.SENTENCE_CONFIGS):
        assert f"`{name}`" in PAGE, name
