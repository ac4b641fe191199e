"""The tokenizer suite: all-MiniLM-L6-v2's token ids, held against transformers."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np

from refimpl.oracle import golden
from refimpl.oracle.judge import judge_ids
from refimpl.oracle.outcome import Case, Finding
from refimpl.oracle.subjects.base import AnswerError, Task
from refimpl.oracle.suites.base import Asking, Behaviour, Settings
from refimpl.oracle.suites.encoder import WHO
from refimpl.oracle.suites.published import shown


class TokenizerSuite:
    """Golden texts, then a batch beside single texts."""

    name: ClassVar[str] = "tokenizer"
    task: ClassVar[Task] = "tokens"
    about: ClassVar[str] = "all-MiniLM-L6-v2's token ids, [CLS] and [SEP] with them, cut at 256, without padding"
    form: ClassVar[str] = 'input: "a text"; answer: [101, ..., 102]'
    refusable: ClassVar[frozenset[str]] = frozenset()

    def inputs(self, settings: Settings) -> Mapping[str, Any]:
        """The golden texts."""
        return golden.texts()

    def cases(self, settings: Settings) -> Sequence[Case]:
        """One case a golden text."""
        return [Case(name, reason, WHO.get(name, "")) for name, reason in golden.reasons().items()]

    def behaviours(self) -> Sequence[Behaviour]:
        """A batch."""
        case = Case(
            "batch-invariance",
            "ids in a batch are those of the text alone: no padding, no neighbour",
            "padding left in",
        )
        return (Behaviour(case, _batch),)

    def read(self, answer: Any, where: str) -> list[int]:
        """A list of whole numbers."""
        ids = answer.tolist() if isinstance(answer, np.ndarray) else answer
        if isinstance(ids, list | tuple) and all(
            isinstance(i, int | np.integer) and not isinstance(i, bool) for i in ids
        ):
            return [int(i) for i in ids]
        raise AnswerError(f"{where}: a list of token ids is asked, got {shown(answer)}")

    def judge(self, name: str, answer: list[int], settings: Settings) -> Finding:
        """Equal, or the first place that departs."""
        return judge_ids("ids", answer, expected_ids()[name])

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> str | None:
        """What the tokenizer did otherwise."""
        from refimpl.oracle.diagnosis import diagnose_tokens

        texts = golden.texts()
        return str(diagnose_tokens(list(answers.values()), [texts[name] for name in answers]))


@cache
def expected_ids() -> dict[str, list[int]]:
    """Each golden text's ids, by transformers."""
    stages = {v.stage: v for v in golden.vectors()}
    packed, lengths = golden.array(stages["input_ids"]), golden.array(stages["lengths"])
    return dict(zip(golden.texts(), (part.tolist() for part in np.split(packed, np.cumsum(lengths)[:-1])), strict=True))


def _batch(asking: Asking) -> Finding:
    texts = golden.texts()
    chosen = [texts[name] for name in ("one-word", "paragraph", "chinese")]
    together, alone = asking.answers(chosen), [asking.answers([text])[0] for text in chosen]
    flat = [[i for ids in answers for i in ids] for answers in (together, alone)]
    return judge_ids("in a batch and alone", flat[0], flat[1])
