"""What `import refimpl` and `refimpl --help` cost, and that every public name is where it says."""

import ast
import inspect
import json
import pickle
import re
import subprocess
import sys
from importlib import import_module
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


@pytest.mark.parametrize("code", ["en", "de"])
def test_an_analyzer_with_a_stemmer_of_its_own_does_not_load_nltk(code: str) -> None:
    assert "nltk" not in loaded_by(f"import refimpl; refimpl.build_default_analyzer('{code}')('word')")


@pytest.mark.parametrize("package", ["dense", "hybrid", "reranker", "sparse"])
def test_a_subpackage_loads_nothing_heavy(package: str) -> None:
    assert loaded_by(f"import refimpl; refimpl.{package}; dir(refimpl.{package})") & (HEAVY | PEERS) == set()


def test_every_public_name_resolves_to_what_bears_that_name() -> None:
    for name in refimpl.__all__:
        found = getattr(refimpl, name)
        home = found.__name__ if inspect.ismodule(found) else found.__module__
        assert home.startswith("refimpl."), name
        assert found.__doc__, name
    assert refimpl.DefaultEmbeddingFunction is refimpl.MiniLMEmbeddingFunction


LAZY = ["refimpl", "refimpl.dense", "refimpl.hybrid", "refimpl.reranker", "refimpl.sparse"]


@pytest.mark.parametrize("package", LAZY)
def test_type_checkers_are_given_the_names_that_exist_at_run_time(package: str) -> None:
    module = import_module(package)
    tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
    branch = next(node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(branch.test) == "TYPE_CHECKING"
    static = {}
    for node in branch.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name  # the form that re-exports
            static[alias.name] = node.module
    submodules = {name for name, home in static.items() if home == package}
    assert set(module.__all__) <= set(static)
    assert set(static) <= set(module.__all__) | submodules <= set(dir(module))
    for name, home in static.items():
        if name not in submodules:
            assert getattr(module, name) is getattr(import_module(str(home)), name)


@pytest.mark.parametrize("package", LAZY)
def test_public_names_pickle_by_their_qualified_name(package: str) -> None:
    module = import_module(package)
    for name in module.__all__:
        found = getattr(module, name)
        if not inspect.ismodule(found):
            assert pickle.loads(pickle.dumps(found)) is found


def test_a_name_is_looked_up_once() -> None:
    assert refimpl.RerankResult is vars(refimpl)["RerankResult"]


def test_what_is_absent_on_purpose_is_said_to_be() -> None:
    with pytest.raises(
        AttributeError, match=r"has no attribute 'utils': pymilvus\.model\.utils installs packages"
    ) as raised:
        refimpl.utils  # noqa: B018 - the access is the test
    assert (raised.value.name, raised.value.obj) == ("utils", refimpl)  # for Python's suggestions


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


FILES = sorted((ROOT / "refimpl").rglob("*.py"))
BROKEN = re.compile(r"\b(\w+) \1\b|\b\w+ ones \w+ ones\b|[,;:] *[,;:]|  ", re.IGNORECASE)


def first_sentence(file: Path) -> str:
    docstring = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ")


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(ROOT)) for file in FILES])
def test_every_module_begins_with_one_whole_sentence(file: Path) -> None:
    sentence = first_sentence(file)
    assert sentence.endswith("."), sentence
    assert BROKEN.search(sentence) is None, sentence


@pytest.mark.parametrize("sentence", ["remote ones local ones in numpy.", "what the the page shows.", "a list,, then."])
def test_broken_sentences_are_found(sentence: str) -> None:
    assert BROKEN.search(sentence)
