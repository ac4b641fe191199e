"""What `import refimpl` and `refimpl --help` cost, and that every public name is where it says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import refimpl

ROOT = Path(__file__).parent.parent
HEAVY = {"numpy", "scipy", "tokenizers", "safetensors", "requests", "huggingface_hub", "pymilvus", "jaxtyping", "rich"}
PEERS = {"torch", "transformers", "sentence_transformers", "onnxruntime", "bm25s", "nltk", "sklearn", "pandas"}
LOADED = "import json, sys; {}; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"


def loaded_by(statement: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(statement)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_refimpl_loads_nothing_heavy() -> None:
    assert loaded_by("import refimpl") & (HEAVY | PEERS) == set()


def test_every_public_name_resolves_to_what_bears_that_name() -> None:
    for name in refimpl.__all__:
        found = getattr(refimpl, name)
        assert found.__module__.startswith("refimpl."), name
        assert found.__doc__, name
    assert refimpl.DefaultEmbeddingFunction is refimpl.MiniLMEmbeddingFunction


def test_every_public_name_loads_neither_a_store_nor_a_peer() -> None:
    statement = "import refimpl; [getattr(refimpl, name) for name in refimpl.__all__]"
    assert loaded_by(statement) & (PEERS | {"pymilvus"}) == set()


def test_dir_lists_the_public_names_and_a_wrong_one_is_an_attribute_error() -> None:
    assert set(refimpl.__all__) < set(dir(refimpl))
    assert "__version__" in dir(refimpl)
    with pytest.raises(AttributeError, match="module 'refimpl' has no attribute 'MiniLM'"):
        refimpl.MiniLM  # noqa: B018 - the access is the test
    with pytest.raises(ImportError):
        exec("from refimpl import NoSuchName")


HELP = """
import sys
sys.argv = ['refimpl', '--help']
from refimpl.cli import main
try:
    main()
except SystemExit:
    print()
"""


def test_the_command_line_says_help_without_the_arithmetic() -> None:
    assert loaded_by(f"exec({HELP!r})") & (PEERS | {"pymilvus", "numpy", "scipy", "requests"}) == set()
