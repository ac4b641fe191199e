"""Special tokens of other ids, in another order or number, and text that is truncated before it is tokenized."""

import numpy as np
import pytest
from faulty_bert import FaultyBert

from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.encoder import VariedEncoder
from refimpl.diagnosis.hypotheses import apply_all
from refimpl.diagnosis.pooling import EmbeddingVariant
from refimpl.diagnosis.prompts import PromptSearch
from refimpl.diagnosis.special_tokens import SpecialTokenSearch
from refimpl.diagnosis.tokenizing import varied_tokenizer
from refimpl.diagnosis.truncating import LONGEST_FIRST
from refimpl.diagnosis.truncations import TruncationSearch

WORDS = "and looked down one as far as I could to where it bent in the undergrowth; then took the other, "
LETTERS = "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 3
PIECES = "internationalisation of counterintuitive straightforwardness; antidisestablishmentarianism and so on, " * 3
TEXTS = ["", "a", "hm so", "two roads diverged", WORDS * 4, LETTERS, PIECES]

pytestmark = pytest.mark.usefixtures("quick")


class Surrounded(FaultyBert):
    """With special tokens `before` and `after` texts, which are truncated to leave room for them."""

    before, after = (101,), (102,)

    def ids(self, texts):
        room = 136 - len(self.before) - len(self.after)
        found = [[*self.before, *self._pieces(text)[:room], *self.after] for text in texts]
        self.longest = max(map(len, found))
        return found


def problem(folder, vectors, texts=TEXTS):
    return EmbeddingProblem(vectors, VariedEncoder(folder, texts), 1e-6)


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        ((0,), (2,), "special tokens [PAD] (0) before and [unused1] (2) after"),
        ((102,), (101,), "special tokens [SEP] (102) before and [CLS] (101) after"),
        ((101,), (102, 102), "special tokens [CLS] (101) before and [SEP] (102) [SEP] (102) after"),
        ((), (101, 102), "special tokens none before and [CLS] (101) [SEP] (102) after"),
    ],
)
def test_special_tokens_are_solved_for(before, after, name, small_folder):
    bert = Surrounded(small_folder)
    bert.before, bert.after = before, after
    case = problem(small_folder, bert(TEXTS))
    (found,) = SpecialTokenSearch(case)([()], range(len(TEXTS)))
    assert [each.name for each in found] == [name]
    assert case.trial(found, range(len(TEXTS))).explained.all()


def test_words_around_a_text_are_no_special_tokens(small_folder):
    case = problem(small_folder, FaultyBert(small_folder, prefix="zebra ")(TEXTS))
    assert list(SpecialTokenSearch(case)([()], range(len(TEXTS)))) == []


@pytest.mark.parametrize("reserved", [True, False])
def test_a_suffix_is_truncated_or_not(reserved, minilm_folder):
    texts = ["", "hm", "word " * 300]
    tokenizer = FaultyBert(minilm_folder)
    suffix = tokenizer._pieces("thanks professor")
    case = problem(minilm_folder, np.zeros((3, 384)), texts)
    expected = []
    for text in texts:
        words = tokenizer._pieces(text)
        expected.append([101, *((words[: 254 - len(suffix)] + suffix) if reserved else (words + suffix)[:254]), 102])
    search = PromptSearch(case)
    search.special = (101, 102)
    published = varied_tokenizer(minilm_folder, 256, (), LONGEST_FIRST)
    found = search._spellings_of(published, (), tuple(suffix))
    tokens = [case.encoder.tokens(apply_all(EmbeddingVariant(), each)) for each in found]
    assert any(each.input_ids.tolist() == [i for ids in expected for i in ids] for each in tokens)


@pytest.mark.parametrize(
    ("cut", "name"),
    [
        (lambda text: text[:100], "truncation at 100 characters"),
        (lambda text: text[:173], "truncation at 173 characters"),
        (lambda text: " ".join(text.split()[:31]), "truncation at 31 words"),
    ],
)
def test_the_length_of_a_truncated_text_is_solved_for(cut, name, small_folder):
    case = problem(small_folder, FaultyBert(small_folder)([cut(text) for text in TEXTS]))
    rows = range(len(TEXTS))
    whole = [row for row in rows if case.trial((), [row]).explained.all()]
    found = list(TruncationSearch(case)((), whole, [row for row in rows if row not in whole]))
    exact = [each[-1].name for each in found if case.trial(each, rows).explained.all()]
    assert name in exact
    assert len(exact) <= 2


def test_the_length_in_bytes_differs_where_a_text_is_not_ascii(small_folder):
    texts = [
        *TEXTS[:3],
        "u v w x y z " * 9,
        "\u0436\u0438\u0437\u043d\u044c \u0438 \u0441\u0443\u0434\u044c\u0431\u0430 " * 8,
        LETTERS,
    ]
    actual = FaultyBert(small_folder)([text.encode()[:120].decode(errors="ignore") for text in texts])
    case = problem(small_folder, actual, texts)
    rows = range(len(texts))
    found = list(TruncationSearch(case)((), [0, 1, 2, 3], [4, 5]))
    exact = [each[-1].name for each in found if case.trial(each, rows).explained.all()]
    assert exact[0] in ("truncation at 120 bytes", "truncation at 121 bytes")
    assert not any("characters" in each for each in exact)
