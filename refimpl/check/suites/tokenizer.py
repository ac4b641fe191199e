"""The tokenizer suite: all-MiniLM-L6-v2's token ids, compared with those of transformers."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from refimpl import golden
from refimpl.check.suites.base import Session, Settings, TextSuite, behaviour
from refimpl.check.suites.encoder import WHO
from refimpl.check.suites.parse import shown
from refimpl.check.targets.base import AnswerError
from refimpl.compare import Comparison, compare_ids

if TYPE_CHECKING:
    from refimpl.diagnosis.result import Diagnosis


@behaviour(
    "batch-invariance", "ids in a batch are those of the text alone: no padding, no other text's", "padding left in"
)
def _batch(session: Session) -> Comparison:
    texts = golden.texts()
    batch = [texts[name] for name in ("one-word", "paragraph", "chinese")]
    together, alone = session.run(batch), [session.run([text])[0] for text in batch]
    return compare_ids("in a batch and alone", [*chain(*together)], [*chain(*alone)])


class TokenizerSuite(TextSuite):
    """The ids of the golden texts, then a batch compared with single texts."""

    name = "tokenizer"
    task = "tokens"
    about = "all-MiniLM-L6-v2's token ids, with [CLS] and [SEP], truncated at 256, without padding"
    form = 'input: "a text"; answer: [101, ..., 102]'
    who = WHO
    behaviours = (_batch,)

    def read(self, answer: Any, where: str) -> list[int]:
        """Parse a list of integers."""
        ids = answer.tolist() if isinstance(answer, np.ndarray) else answer
        if isinstance(ids, list | tuple) and all(
            isinstance(i, int | np.integer) and not isinstance(i, bool) for i in ids
        ):
            return [int(i) for i in ids]
        raise AnswerError(f"{where}: expected a list of token ids, got {shown(answer)}")

    def compare(self, name: str, answer: list[int], settings: Settings) -> Comparison:
        """Compare the ids, which must be equal."""
        return compare_ids("ids", answer, expected_ids()[name])

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> "Diagnosis":
        """Diagnose the ids of all texts."""
        from refimpl.diagnosis import diagnose_tokens

        texts = golden.texts()
        return diagnose_tokens(list(answers.values()), [texts[name] for name in answers])


@cache
def expected_ids() -> dict[str, list[int]]:
    """Return the ids of each golden text, computed by transformers."""
    stages = {v.stage: v for v in golden.vectors()}
    packed, lengths = golden.array(stages["input_ids"]), golden.array(stages["lengths"])
    return dict(zip(golden.texts(), (part.tolist() for part in np.split(packed, np.cumsum(lengths)[:-1])), strict=True))
