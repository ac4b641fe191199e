"""docs/one_page/: each program's results are the golden vectors'; it is short, explained, and needs nothing of ours."""

import ast
import importlib.util
import io
import json
import math
import re
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from docs.hooks import programs
from docs.hooks.programs import PROGRAMS, sections
from refimpl import golden, models

MODEL = ("numpy", "safetensors", "tokenizers")
NEEDED = {
    "minilm": (80, MODEL),
    "bm25": (60, ("numpy",)),
    "splade": (80, MODEL),
    "rerank": (80, MODEL),
    "rrf": (30, ()),
}
FILES = {file.stem: file for file in PROGRAMS}
RERANK = Path(__file__).parents[2] / "data" / "vectors" / "rerank" / "model"
RRF = {name: case for name, case in golden.cases("fusion").items() if case.input["method"] == "rrf"}
LONGEST_SECTION = 13  # lines of code below one comment
# Milvus' blog of 2024-06-05: the first twelve numbers of the first text's vector, the last eight of the third's
FIRST = """-3.09392996e-02 -1.80662833e-02 1.34775648e-02 2.77156215e-02 -4.86349640e-03 -3.12581174e-02
           -3.55921760e-02 5.76934684e-03 2.80773244e-03 1.35783911e-01 3.59678417e-02 6.17732145e-02"""
THIRD = """-4.61330153e-02 -4.85207550e-02 3.13997865e-02 7.82178566e-02
           -4.75336798e-02 5.21207601e-02 9.04406682e-02 -5.36676683e-02"""


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"one_page_{name}", FILES[name])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def minilm():
    module = load("minilm")
    model = module.load(models.path("all-MiniLM-L6-v2"))
    return module, lambda text: module.embedding(text, *model)


def code_lines(source: str) -> int:
    """Lines that have code: neither blank, nor a comment, nor part of a docstring."""
    tree = ast.parse(source)
    documented = [tree, *(node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef)))]
    strings = {node.body[0].lineno: node.body[0].end_lineno for node in documented if ast.get_docstring(node)}
    docstrings = {line for first, last in strings.items() for line in range(first, last + 1)}
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    counted: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped:
            counted |= set(range(token.start[0], token.end[0] + 1))
    return len(counted - docstrings)


def test_lines_of_code_are_counted():
    assert (
        code_lines('"""Docs\nof two lines."""\n\n# a comment\nx = (  # one\n    1\n)\n\n\ndef f():\n    """Docs."""\n')
        == 4
    )


def test_each_program_is_tested():
    assert FILES.keys() == NEEDED.keys()


@pytest.mark.parametrize("name", NEEDED)
def test_it_is_short(name):
    assert code_lines(FILES[name].read_text("utf-8")) <= NEEDED[name][0]


@pytest.mark.parametrize("name", NEEDED)
def test_it_imports_what_its_header_lists(name):
    source = FILES[name].read_text("utf-8")
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in imports if isinstance(node, ast.ImportFrom)}
    others = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
    assert others == set(NEEDED[name][1])
    assert all(other in ast.get_docstring(ast.parse(source)) for other in others)


@pytest.mark.parametrize("name", NEEDED)
def test_each_line_of_code_is_below_a_comment(name):
    source = FILES[name].read_text("utf-8")
    docstring, listed = sections(source)
    assert f"python {name}.py" in docstring
    assert all(section.comment for section in listed)
    assert (
        max(len([line for line in section.code.splitlines() if line.strip()]) for section in listed) <= LONGEST_SECTION
    )
    lines = [line.strip() for section in listed for line in section.code.splitlines() if line.strip()]
    assert lines == [
        line.strip() for line in source.partition('"""\n\n')[2].splitlines() if line.strip() and line.strip()[0] != "#"
    ]


def test_code_without_a_comment_is_reported():
    with pytest.raises(ValueError, match="the first lines of code have no comment"):
        sections('"""Title."""\n\nimport os\n')


@pytest.mark.parametrize("name", ["splade", "rerank"])
def test_its_encoder_is_that_of_minilm(name):
    def functions(file):
        found = [node for node in ast.parse(FILES[file].read_text("utf-8")).body if isinstance(node, ast.FunctionDef)]
        return {node.name: ast.unparse(node) for node in found if node.name not in ("load", "embedding", "main")}

    encoder = functions("minilm")
    assert encoder.keys() == {
        *("linear", "layer_norm", "softmax", "gelu", "embed", "attention", "encoder_layer", "encode")
    }
    assert encoder.items() <= functions(name).items()


def test_minilm_gives_the_published_vectors(minilm):
    module, embed = minilm
    for text, published, part in ((module.TEXTS[0], FIRST, slice(12)), (module.TEXTS[2], THIRD, slice(-8, None))):
        expected = np.array(published.split(), float)
        np.testing.assert_allclose(embed(text)[part], expected, rtol=0, atol=1e-7)  # in float32; observed 4e-8


def test_figures_in_the_comments_of_minilm_are_those_of_the_published_files(minilm):
    folder, source = models.path("all-MiniLM-L6-v2"), FILES["minilm"].read_text("utf-8")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    tokenizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    longest = json.loads((folder / "sentence_bert_config.json").read_text("utf-8"))["max_seq_length"]
    layers, heads, eps = (config[key] for key in ("num_hidden_layers", "num_attention_heads", "layer_norm_eps"))
    truncated, padded = tokenizer["truncation"]["max_length"], tokenizer["padding"]["strategy"]["Fixed"]
    assert f"layers ({layers}), of attention heads ({heads}), the epsilon of the norms ({eps})" in source
    assert f"vocabulary of {len(tokenizer['model']['vocab']):,}" in source
    assert f"truncates at {truncated} tokens and pads to {padded}; the model was published to read {longest}" in source
    assert " ".join(f"{float(number):.10f}" for number in FIRST.split()[:3]) in source.replace("\n", " ")
    assert config["intermediate_size"] == 4 * config["hidden_size"], "four times as many columns"


@pytest.mark.parametrize(
    ("name", "figures"),
    [("bm25", ["0.5494", "0.1535"]), ("splade", ["15.67"]), ("rrf", [f"{2 / 61:.6f}"])],
)
def test_a_header_has_the_figures_that_its_copy_prints(name, figures):
    docstring = ast.get_docstring(ast.parse(FILES[name].read_text("utf-8")))
    assert [figure for figure in figures if figure not in docstring] == []


def test_the_index_lists_each_program_with_its_limit_and_needs():
    rows = re.findall(
        r"^\| \[(\w+)\.py\].*\| (.+) \| (\d+)", (PROGRAMS[0].parent / "index.md").read_text("utf-8"), re.M
    )
    listed = {name: (int(limit), tuple(needs.split(", ")) if needs != "Python" else ()) for name, needs, limit in rows}
    assert listed == NEEDED


def test_minilm_gives_every_golden_vector(minilm):
    module, embed = minilm
    (vector,) = (vector for vector in golden.vectors() if vector.stage == "normalized")
    assert [golden.texts()[f"published-{number}"] for number in (1, 2, 3)] == module.TEXTS
    mine = np.array([embed(text) for text in golden.texts().values()])
    np.testing.assert_allclose(mine, golden.array(vector), rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", golden.cases("bm25").values(), ids=golden.cases("bm25"))
def test_bm25_gives_the_golden_scores(case):
    bm25 = load("bm25")
    docs = [text.split() for text in case.input["corpus"]]
    for variant, expected in case.expected.items():
        tolerance = 1e-6 if variant == "pymilvus" else 1e-12  # its weights are float32
        for query, row in zip(case.input["queries"], expected, strict=True):
            mine = bm25.scores(docs, query.split(), variant, case.input["k1"], case.input["b"])
            np.testing.assert_allclose(mine, row, rtol=tolerance, atol=tolerance)


# "dog" twice in a document of 43 terms, N = 4, df = 1, average length 14; Lucene's byte rounds 43 to 42
K, ROUNDED = 1.5 * (0.25 + 0.75 * 43 / 14), 1.5 * (0.25 + 0.75 * 42 / 14)
C = 2 / (0.25 + 0.75 * 43 / 14)
BY_HAND = {
    "robertson": math.log(3.5 / 1.5) * 2 / (2 + K),
    "pymilvus": math.log(3.5 / 1.5) * 2 * 2.5 / (2 + K),
    "rank_bm25": math.log(3.5 / 1.5) * 2 * 2.5 / (2 + K),
    "atire": math.log(4) * 2 * 2.5 / (2 + K),
    "bm25l": math.log(5 / 1.5) * 2.5 * (C + 0.5) / (1.5 + C + 0.5),
    "bm25+": math.log(5) * (1 + 2 * 2.5 / (2 + K)),
    "lucene": math.log(1 + 3.5 / 1.5) * 2 / (2 + K),
    "lucene-lossy": math.log(1 + 3.5 / 1.5) * 2 / (2 + ROUNDED),
}


@pytest.mark.parametrize("variant", BY_HAND)
def test_bm25_gives_scores_worked_out_by_hand(variant):
    docs = [["dog"] * 2 + ["a"] * 41, ["b"] * 6, ["c"] * 4, ["d"] * 3]
    assert load("bm25").VARIANTS.keys() == BY_HAND.keys()
    assert load("bm25").scores(docs, ["dog"], variant) == pytest.approx([BY_HAND[variant], 0, 0, 0], abs=1e-14)


def test_bm25_rounds_lengths_as_lucene_does():
    lengths = [0, 23, 24, 39, 40, 41, 42, 43, 255, 1000]  # by hand from SmallFloat, as in tests/sparse/test_formulas.py
    assert [load("bm25").one_byte(length) for length in lengths] == [0, 23, 24, 39, 40, 40, 42, 42, 248, 984]


@pytest.mark.parametrize("variant", ["lucene", "lucene-lossy"])
def test_bm25_counts_only_documents_with_a_term_as_lucene_does(variant):
    expected = math.log(1 + 0.5 / 1.5) * 1 / (1 + 1.5)  # N = 1, df = 1, length and average 1
    assert load("bm25").scores([["dog"], []], ["dog"], variant) == pytest.approx([expected, 0], abs=1e-15)


def test_rrf_orders_equal_scores_by_id():
    assert list(load("rrf").rrf([["b"], ["a"]])) == ["a", "b"]


@pytest.mark.parametrize("case", RRF.values(), ids=RRF)
def test_rrf_gives_the_golden_scores_and_order(case):
    rankings = [[document for document, _ in route] for route in case.input["routes"]]
    mine = load("rrf").rrf(rankings, case.input["k"])
    assert list(mine) == [document for document, _ in case.expected]
    np.testing.assert_allclose(list(mine.values()), [score for _, score in case.expected], rtol=1e-6)  # float32


def test_splade_gives_every_golden_weight():
    splade = load("splade")
    model = splade.load(models.path("splade-tiny"))
    for case in golden.cases("splade").values():
        expected = np.zeros(30522)
        expected[[int(term) for term in case.expected]] = list(case.expected.values())
        np.testing.assert_allclose(
            splade.embedding(case.input, *model), expected, rtol=0, atol=1e-12, err_msg=case.name
        )


def test_rerank_gives_every_golden_logit():
    rerank = load("rerank")
    model = rerank.load(RERANK)
    for case in golden.cases("rerank").values():
        mine = [rerank.logit(case.input["query"], document, *model) for document in case.input["documents"]]
        np.testing.assert_allclose(mine, case.expected["logits"], rtol=0, atol=1e-12, err_msg=case.name)
        np.testing.assert_allclose(rerank.sigmoid(np.array(mine)), case.expected["sigmoids"], rtol=0, atol=1e-12)


def printed(name, folder, *arguments):
    """Output of a copy of the program in a folder of its own."""
    shutil.copy(FILES[name], folder)
    command = [sys.executable, f"{name}.py", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_a_copy_of_minilm_prints_the_vectors(tmp_path):
    folder = models.path("all-MiniLM-L6-v2")
    assert "cosine with the first 1.000000  vector [-0.030939" in printed("minilm", tmp_path, folder)
    assert printed("minilm", tmp_path, folder, "a text").startswith("a text\n  cosine with the first 1.000000")


def test_a_copy_of_bm25_prints_the_ranking_of_its_header(tmp_path):
    (tmp_path / "docs.txt").write_text("cat sat on mat\ncat and dog\nbird\n")
    assert printed("bm25", tmp_path, "docs.txt", "cat dog") == "   0.5494  cat and dog\n   0.1535  cat sat on mat\n"


def test_a_copy_of_splade_prints_the_published_score(tmp_path):
    query, document = "does the fish purr like a cat?", "a cat is a feline and likes to purr"
    assert printed("splade", tmp_path, models.path("splade-tiny"), query, document).startswith(" 15.67")


def test_a_copy_of_rerank_prints_documents_best_first(tmp_path):
    case = golden.cases("rerank")["planets"]
    query, documents = case.input["query"], case.input["documents"]
    lines = printed("rerank", tmp_path, RERANK, query, *documents[::-1]).splitlines()
    assert lines[0] == f"0.788330  +1.314890  {documents[0]}"
    assert [line.split("  ", 2)[2] for line in lines] == documents


def test_a_copy_of_rrf_fuses_run_files(tmp_path):
    (tmp_path / "a.txt").write_text("q Q0 d1 1 9.5 a\nq Q0 d2 2 7.5 a\n")
    (tmp_path / "b.txt").write_text("q Q0 d1 1 0.9 b\nother Q0 d3 1 0.5 b\n")
    lines = ["q Q0 d1 1 0.032786885 rrf", "q Q0 d2 2 0.016129032 rrf", "other Q0 d3 1 0.016393443 rrf"]
    assert printed("rrf", tmp_path, "a.txt", "b.txt").splitlines() == lines  # 2/61, 1/62, 1/61


@pytest.mark.parametrize("name", NEEDED)
def test_its_page_has_each_comment_beside_its_code(name):
    page = programs.page(FILES[name])
    assert page.count('class="explained"') == len(sections(FILES[name].read_text("utf-8"))[1])
    assert f"[Download {name}.py]({name}.py)" in page


def test_links_to_a_program_open_its_page():
    class Page:
        class file:
            src_uri = "tour/05-pooling.md"

    written = "[a](../one_page/minilm.py) [b](minilm.py) [c](tour.py)"
    assert programs.on_page_markdown(written, Page) == "[a](../one_page/minilm.md) [b](minilm.md) [c](tour.py)"
    Page.file.src_uri = "one_page/minilm.md"
    assert programs.on_page_markdown(written, Page) == written
