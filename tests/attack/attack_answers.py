"""`refimpl check` with one odd value in one answer: that case fails, every other case passes as without it."""

import copy
import random

from attacks import Attack, attack

from refimpl.check.result import Status
from refimpl.check.runner import check
from refimpl.check.suites import SUITES
from refimpl.check.suites.base import Settings
from refimpl.check.suites.encoder import expected_vectors
from refimpl.check.suites.intermediates import expected_stages
from refimpl.check.suites.tokenizer import expected_ids
from refimpl.compare.tolerance import named

SETTINGS = Settings(named("float32"), diagnose=False)
ODD = [
    *(10**400, -(10**400), 2**63, 2**70, -1, 1e308, float("inf"), float("nan"), True, None, "", "x", "1", "\x1b[2J"),
    *([], [[]], {}, {"": []}, [10**400], {"index": 2**70, "score": 10**400}, {"\ud800": 1}, [float("nan")] * 3),
]
DEEP: list = []
for _ in range(5000):
    DEEP = [DEEP]


class Answers:
    """A file's target: the expected answers, one of them replaced."""

    name = "answers"
    traits: frozenset[str] = frozenset()

    def __init__(self, answers: list) -> None:
        self._answers = answers

    def tasks(self) -> frozenset[str]:
        return frozenset(suite.task for suite in SUITES.values())

    def run(self, task: str, inputs: list) -> list:
        return self._answers


def expected(suite: str) -> dict:
    """Plain JSON answers that pass, by case: the golden values, which come from other libraries."""
    if suite == "encoder":
        return dict(zip(SUITES[suite].inputs(SETTINGS), expected_vectors().tolist(), strict=True))
    if suite == "tokenizer":
        return dict(expected_ids())
    if suite == "intermediates":
        return {name: {"normalized": of["normalized"].tolist()} for name, of in expected_stages().items()}
    golden = {name: SUITES[suite].golden(name).expected for name in SUITES[suite].inputs(SETTINGS)}
    if suite == "bm25":
        return {name: scores["pymilvus"] for name, scores in golden.items()}
    if suite == "rerank-scores":
        ranked = {name: sorted(enumerate(scores["logits"]), key=lambda one: -one[1]) for name, scores in golden.items()}
        return {name: [{"index": i, "score": score} for i, score in pairs] for name, pairs in ranked.items()}
    return {name: [list(pair) for pair in value] if suite == "fusion" else value for name, value in golden.items()}


def replaced(answer: object, odd: object, rng: random.Random) -> object:
    """A copy of `answer` with one value, key or entry at a random depth replaced by `odd`, doubled or left out."""
    if not isinstance(answer, list | dict) or not answer or rng.random() < 0.15:
        return copy.deepcopy(odd) if odd is not DEEP else odd
    result = copy.copy(answer)
    key = rng.choice(list(answer)) if isinstance(answer, dict) else rng.randrange(len(answer))
    change = rng.random()
    if change < 0.1:
        del result[key]
    elif change < 0.2 and isinstance(result, list):
        result.append(result[key])
    elif change < 0.2 and isinstance(odd, str | int | float):
        result[str(odd)] = result.pop(key)
    else:
        result[key] = replaced(answer[key], odd, rng)
    return result


@attack
def odd_answers(run: Attack) -> None:
    passing = {name: expected(name) for name in SUITES if name != "rerank"}
    for rng in run.rounds(150):
        name = rng.choice(sorted(passing))
        answers = passing[name]
        case = rng.choice(sorted(answers))
        odd = rng.choice([*ODD, DEEP])
        changed = {**answers, case: replaced(answers[case], odd, rng)}
        result = check(Answers(list(changed.values())), [name], SETTINGS)
        run.count("inputs")
        statuses = {one.case.name: one.status for one in result}
        if wrong := [other for other in answers if other != case and statuses[other] is not Status.passed]:
            run.failed(f"{name}, {case}: {odd!r:.60} fails {wrong[0]} too")
        if statuses[case] is Status.passed and changed_value(answers[case], changed[case]):
            run.failed(f"{name}, {case}: {odd!r:.60} passes")


def changed_value(before: object, after: object) -> bool:
    """Whether a value that every suite compares was changed: a list's length, or a type."""
    if type(before) is not type(after) and not {type(before), type(after)} <= {int, float}:
        return True
    return isinstance(before, list) and len(before) != len(after)  # type: ignore[arg-type]
