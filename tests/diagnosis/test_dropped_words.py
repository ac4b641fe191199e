"""Words that an implementation leaves out: those are named whose absence explains a text, and no others."""

import pytest
from faulty_bert import FaultyBert

from refimpl.diagnosis.dropped_words import DroppedWordSearch
from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.encoder import VariedEncoder

TEXTS = ["hm", "a", "the sun is red", "two roads and state-of-the-art ships", "it is so, of course", "no law or war"]

pytestmark = pytest.mark.usefixtures("quick")


@pytest.mark.parametrize(
    ("dropped", "name"),
    [
        ({"a", "the", "of"}, "words dropped (a, of, the)"),
        ({"is", "and", "it"}, "words dropped (and, is, it)"),
    ],
)
def test_the_words_are_solved_for(dropped, name, small_folder):
    texts = [" ".join(word for word in text.split() if word not in dropped) for text in TEXTS]
    case = EmbeddingProblem(FaultyBert(small_folder)(texts), VariedEncoder(small_folder, TEXTS), 1e-10)
    rows = range(len(TEXTS))
    whole = [row for row in rows if case.trial((), [row]).explained.all()]
    found = list(DroppedWordSearch(case)((), whole, [row for row in rows if row not in whole]))
    assert [each.name for each in found[0]] == [name]
    assert case.trial(found[0], rows).explained.all()


def test_another_cause_has_no_words(small_folder):
    case = EmbeddingProblem(FaultyBert(small_folder, act="tanh")(TEXTS), VariedEncoder(small_folder, TEXTS), 1e-10)
    assert list(DroppedWordSearch(case)((), [], range(len(TEXTS)))) == []
