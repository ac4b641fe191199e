"""A BM25 with a tokenizer of its own, which it answers: tokens and formula are judged apart. Scores are the Zoo's."""

import json
import re
import shlex
import sys
from itertools import pairwise

import numpy as np
import pytest
from bm25_zoo import Zoo
from werkzeug import Response

from refimpl.check.runner import check
from refimpl.check.suites import SUITES
from refimpl.check.suites.base import Settings
from refimpl.check.targets.base import AnswerError
from refimpl.check.targets.command import CommandTarget
from refimpl.check.targets.files import FileTarget
from refimpl.check.targets.plain import PlainTarget
from refimpl.check.targets.python import PythonTarget
from refimpl.compare.tolerance import named

SETTINGS = Settings(named("float32"), "atire")
WITHOUT = Settings(named("float32"), "atire", diagnose=False)
ATIRE = {"idf": "ln(N/n)"}
OTHER = {"idf": "ln(N/n)", "tf": "without k1 + 1", "query": "set"}
INPUTS = SUITES["bm25"].inputs(SETTINGS)
TEXTS = sum(len(one["corpus"]) + len(one["queries"]) for one in INPUTS.values())
UNICODE = f"8 of {TEXTS} texts are split otherwise than at whitespace; case unicode, query 0: expected ['火星'], got []"
"""All of the five documents and three of the four queries have a letter beyond ASCII."""


def ascii_words(text):
    return re.findall("[a-z0-9]+", text.lower())


def words(text):
    """Without stop words, without a final s."""
    return [word.removesuffix("s") for word in text.split() if word not in ("and", "on", "so")]


pytestmark = pytest.mark.usefixtures("unchecked")


def answer(split, factors, scores=True, tokens=True):
    """A target that splits texts by `split`."""

    def run(corpus, queries, k1, b):
        lists = {"corpus": [split(text) for text in corpus], "queries": [split(text) for text in queries]}
        documents, asked = ([" ".join(one) for one in lists[name]] for name in ("corpus", "queries"))
        rows = Zoo(factors)(documents, asked, k1, b)
        return ({"tokens": lists} if tokens else {}) | ({"scores": rows} if scores else {}) if tokens else rows

    return run


def checked(function, settings=SETTINGS):
    result = check(PythonTarget(function, "mine"), ["bm25"], settings)
    return result, {one.case.name for one in result if not one.ok}


@pytest.mark.parametrize("split", [ascii_words, words, str.split], ids=lambda split: split.__name__)
def test_scores_that_are_right_on_own_tokens_pass(split):
    result, failed = checked(answer(split, ATIRE))
    assert failed == (set() if split is str.split else {"tokens"})
    assert result.suites[0].diagnosis is None
    alone = checked(answer(split, ATIRE, tokens=False), WITHOUT)[1]
    assert ("unicode" in alone, "ordinary" in alone) == (split is ascii_words, split is words)


def test_the_difference_of_tokens_is_a_case_of_its_own():
    result, _ = checked(answer(ascii_words, ATIRE))
    message = next(one.message for one in result if one.case.name == "tokens")
    assert message == f"tokens: {UNICODE}"
    assert next(one.message for one in result if one.case.name == "unicode").startswith(
        "scores (query, document) on the target's own tokens: maximum difference "
    )
    result, failed = checked(answer(ascii_words, ATIRE), Settings(named("float32"), "atire", own_tokens=True))
    assert (result.ok, failed) == (True, set())


def test_an_analyzer_with_these_tokens_is_named():
    result, _ = checked(answer(lambda text: re.findall(r"\w+", text), ATIRE))
    message = next(one.message for one in result if one.case.name == "tokens")
    assert f"2 of {TEXTS} texts are split otherwise than at whitespace; case unicode, query 1: " in message
    assert "expected ['🚀'] from token 1 on, got []; all as " in message
    assert "analyzer simple" in message.split("; all as ")[1]


def test_a_difference_of_the_formula_is_told_apart():
    result, failed = checked(answer(words, OTHER))
    assert {"tokens", "ordinary", "larger"} <= failed
    first, second = result.suites[0].diagnosis.splitlines()[:2]
    assert first.startswith("tokens: ")
    assert second.startswith("scores on the target's own tokens: ")
    assert "factor of the tf: none instead of k1 + 1" in second
    assert "repeated query terms: counted once" in second
    assert "idf" not in second


def written(tmp_path, function, name="answers.jsonl"):
    keys = ("corpus", "queries", "k1", "b")
    lines = [json.dumps(function(**{key: one[key] for key in keys})) for one in INPUTS.values()]
    (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / name


def test_a_file_of_answers_is_diagnosed_on_its_own_tokens(tmp_path):
    with_tokens = check(FileTarget(written(tmp_path, answer(words, OTHER))), ["bm25"], SETTINGS).suites[0].diagnosis
    lines = with_tokens.splitlines()
    assert lines[0].startswith("tokens: ")
    assert lines[1].startswith("scores on the target's own tokens: mismatch: ")
    assert lines[2] == (
        "2 factors differ: factor of the tf: none instead of k1 + 1; repeated query terms: counted once instead of "
        "each one counts"
    )
    without = check(FileTarget(written(tmp_path, answer(words, OTHER, tokens=False))), ["bm25"], SETTINGS)
    assert "none of the known causes explains it" in without.suites[0].diagnosis


def test_tokens_alone_are_compared_with_those_at_whitespace():
    result, failed = checked(answer(ascii_words, ATIRE, scores=False))
    assert failed == {"tokens", "unicode"}
    assert result.suites[0].diagnosis.startswith(f"tokens: {UNICODE}")
    assert len(result.suites[0].diagnosis.splitlines()) == 1
    skipped = {one.case.name: one.message for one in result if one.status == "skipped"}
    assert skipped["order-invariance"] == "the target answers tokens without scores"
    assert checked(answer(str.split, ATIRE, scores=False))[1] == set()


def test_tokens_may_have_whitespace_be_empty_and_be_integers():
    """Split at each single space, pairs of neighbours beside the words; then numbers of words."""

    def pairs(text):
        single = text.split(" ")
        return [*single, *(f"{a} {b}" for a, b in pairwise(single))]

    numbers = {}

    def run(corpus, queries, k1, b):
        lists = {"corpus": [pairs(text) for text in corpus], "queries": [pairs(text) for text in queries]}
        ids = {name: [[numbers.setdefault(t, len(numbers)) for t in one] for one in lists[name]] for name in lists}
        rows = Zoo(ATIRE)(*([" ".join(map(str, one)) for one in ids[name]] for name in lists), k1, b)
        return {"tokens": ids if len(corpus) % 2 else lists, "scores": rows}

    assert checked(run)[1] == {"tokens"}


def test_a_ranking_is_judged_on_own_tokens():
    def ranks(corpus, queries, k1, b):
        answered = answer(words, ATIRE)(corpus, queries, k1, b)
        return {**answered, "scores": [np.unique(row, return_inverse=True)[1] for row in answered["scores"]]}

    settings = Settings(named("quantised-ranking"), "atire", diagnose=False)
    behaviours = {"order-invariance", "query-alone"}  # of scores
    assert checked(ranks, settings)[1] - behaviours == {"tokens"}


def test_over_url_and_command(tmp_path, httpserver):
    run = answer(ascii_words, ATIRE)
    keys = ("corpus", "queries", "k1", "b")
    respond = lambda request: Response(json.dumps(run(**{key: request.get_json()[key] for key in keys})))  # noqa: E731
    httpserver.expect_request("/bm25", method="POST").respond_with_handler(respond)
    url = PlainTarget(httpserver.url_for("/bm25"))
    (tmp_path / "mine.py").write_text(
        "import sys\n"
        f"answers = open({str(written(tmp_path, run))!r}, encoding='utf-8')\n"
        "for line in sys.stdin:\n    print(answers.readline().rstrip(), flush=True)\n",
        encoding="utf-8",
    )
    command = CommandTarget(shlex.join([sys.executable, str(tmp_path / "mine.py")]))
    patterns = [*INPUTS, "tokens"]
    for target in (url, command):
        result = check(target, ["bm25"], SETTINGS, patterns)
        assert {one.case.name for one in result if not one.ok} == {"tokens"}
    command.close()


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([["a"]], r"here: expected tokens {\"corpus\": .*, got list"),
        ({"corpus": [["a"]], "queries": [["a"]]}, "here: expected 2 lists of tokens in corpus, got 1: one per text"),
        ({"corpus": [["a"], ["b"]]}, "here: expected 1 lists of tokens in queries, got NoneType"),
        ({"corpus": ["a", ["b"]], "queries": [["a"]]}, "expected a list of tokens for each text of corpus, got str"),
        ({"corpus": [[0.5], []], "queries": [[]]}, "expected strings or integers as tokens in corpus, got float"),
    ],
)
def test_tokens_of_another_form_are_errors(tokens, message):
    value = {"corpus": ["a", "b"], "queries": ["a"]}
    with pytest.raises(AnswerError, match=message):
        SUITES["bm25"].read_for(value, {"tokens": tokens, "scores": [[1.0, 0.0]]}, "here")
