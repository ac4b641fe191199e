"""Every hypothesis of every domain: injected by independent code, it is named first, and only its equivalents with it.

A hypothesis without an injection in the tables of `tests/helpers/*_faults.py` fails here.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import bm25_faults
import encoder_faults
import metric_faults
import pytest
import token_faults
from faulty_bert import FaultyBert, write_small_model

from refimpl.diagnosis import bm25, embedding_problem, embeddings, metrics, rerank, splade, token_ids, trace
from refimpl.diagnosis.bm25_hypotheses import ANALYSIS, BM25
from refimpl.diagnosis.encoder import VariedEncoder
from refimpl.diagnosis.hypotheses import Hypothesis
from refimpl.diagnosis.result import Diagnosis
from refimpl.diagnosis.search import explain

LAYERS = 4  # so that the first is not the third from the end
VOCABULARY = 3000  # the special tokens, the characters and the most frequent words
TEXTS = [
    "Grüße aus Łódź, said Zoë!",
    "Two ROADS diverged\u200b in a yellow wood.",
    "春の海 終日のたり",
    "ein größerer café",
    "ΛΟΓΟΣ ÉTÉ ﬁne “one” _1956_ $5<x-- a\u0001b a\u00adb \U0001f9ffx [SEP] 한 कि らー",
    f"embeddings {'a' * 101}",
    "And looked down one as far as I could to where it bent in the undergrowth; " * 10,  # truncated at 136 tokens
]
TRACED = " ".join(["Grüße, ZOË! café 春の\u200b海.", *TEXTS[4:]])
# of pairs that exceed 24 tokens some lose tokens of the query, some of the document
QUERY = "Which PLANET is the red one, and not blue?"
DOCUMENTS = [
    "Mars is red, say those who looked for a long time.",
    "the sun is hot, and far from here.",
    "Ein größerer Café, naïve",
    "stars",
]
MEASURES = [f"{name}@{k}" for name in ("nDCG", "recall", "P", "MRR", "MAP") for k in (5, 20)]

EQUIVALENT: dict[str, dict[str, tuple[set[str], str]]] = {
    "trace": {
        "no [SEP]": ({"special tokens truncated"}, "the text is too long"),
        "special tokens truncated": ({"no [SEP]"}, "the text is too long"),
    },
    "embeddings": {
        "accents kept": ({"accents stripped from NFC"}, "the texts have no decomposed accents"),
        "accents stripped from NFC": ({"accents kept"}, "the texts have no decomposed accents"),
    },
    "bm25": {
        "idf of bm25l": ({"idf of lucene"}, "(N + 1) / (df + 0.5) = 1 + (N - df + 0.5) / (df + 0.5)"),
        "idf of lucene": ({"idf of bm25l"}, "(N + 1) / (df + 0.5) = 1 + (N - df + 0.5) / (df + 0.5)"),
        "avgdl over all documents": ({"other k1 and b"}, "another avgdl is another k1 (1 - b) and k1 b"),
        "lengths ignored": ({"other k1 and b"}, "b = 0"),
        "value for absent terms": ({"bm25l with a value for absent terms"}, "the reference is bm25l"),
    },
}
"""By domain: other hypotheses that give the same output, and the reason."""
SMALL = dict.fromkeys(
    ("lower-cased as a whole", "Hangul not decomposed"), "the vocabulary lacks the pieces; test_tokenizing.py has them"
)
UNSEEN = {
    "tokens": SMALL,
    "embeddings": {
        **SMALL,
        "sum pooling": "unit length removes the factor",
        "sum over root of length": "unit length removes the factor",
    },
    "trace": {
        **SMALL,
        "sum pooling": "unit length removes the factor",
        "sum over root of length": "unit length removes the factor",
        "padding attended to, padded to the longest": "one text is not padded",
        "padding pooled, padded to the longest": "one text is not padded",
        "padding attended to and pooled, padded to the longest": "one text is not padded",
        "padding attended to, padded to 128": "the text is longer",
        "padding attended to and pooled, padded to 128": "the text is longer",
        "padding pooled, padded to 128": "the text is longer",
    },
}
"""By domain: hypotheses without an effect on the output, and the reason; what `SEEN_WITH` has is tried as a pair."""
SEEN_WITH = {"sum pooling": "no normalisation", "sum over root of length": "no normalisation"}

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, minilm_folder) -> Path:
    return write_small_model(
        tmp_path_factory.mktemp("tiny"), minilm_folder / "tokenizer.json", VOCABULARY, layers=LAYERS
    )


@pytest.fixture(scope="module")
def sigmoid_folder(tmp_path_factory, minilm_folder) -> Path:
    tokenizer = minilm_folder / "tokenizer.json"
    return write_small_model(tmp_path_factory.mktemp("tiny-sigmoid"), tokenizer, VOCABULARY, "Sigmoid", LAYERS)


@pytest.fixture(scope="module", autouse=True)
def quickly() -> Iterator[None]:
    """One encoder per model and texts, so that hidden states are computed once; few pairs."""
    encoder = cache(VariedEncoder)

    def shared(folder, firsts, seconds=None, max_length=None):
        return encoder(folder, tuple(firsts), None if seconds is None else tuple(seconds), max_length)

    with pytest.MonkeyPatch.context() as patch:
        for module in (embeddings, rerank, splade, token_ids, trace):
            patch.setattr(module, "VariedEncoder", shared)
        for module in (bm25, metrics, rerank, splade, token_ids, trace):
            patch.setattr(module, "explain", partial(explain, max_pairs=50))
        yield


def diagnose_embeddings(folder: Path, faults: dict) -> Diagnosis:
    actual = FaultyBert(folder, **faults)(TEXTS)
    return embeddings.diagnose_embeddings(actual, TEXTS, model_path=folder, tolerance=1e-10)


def diagnose_trace(folder: Path, faults: dict) -> Diagnosis:
    actual = encoder_faults.trace_of(folder, TRACED, **faults)
    return trace.diagnose_trace(actual, TRACED, model_path=folder, tolerance=1e-9)


def diagnose_tokens(folder: Path, faults: dict) -> Diagnosis:
    listed = {"padded": 0, "offset": 0} | faults
    padded, offset = listed.pop("padded"), listed.pop("offset")
    ids = FaultyBert(folder, **listed).ids(TEXTS)
    longest = max(map(len, ids)) if padded else 0
    actual = [[i + offset for i in each] + [0] * (longest - len(each)) for each in ids]
    return token_ids.diagnose_tokens(actual, TEXTS, model_path=folder)


def diagnose_splade(folder: Path, faults: dict) -> Diagnosis:
    texts = TEXTS[:4]
    actual = encoder_faults.splade_vectors(folder, texts, **faults)
    return splade.diagnose_splade(actual, texts, model_path=folder, tolerance=1e-9)


def diagnose_rerank(folder: Path, faults: dict) -> Diagnosis:
    folder = folder / "pairs"
    actual = encoder_faults.rerank_scores(folder, QUERY, DOCUMENTS, **faults)
    return rerank.diagnose_rerank(actual, QUERY, DOCUMENTS, folder, tolerance=1e-9)


def diagnose_bm25(folder: Path, faults: dict) -> Diagnosis:
    variant = faults.pop("reference", "lucene")
    actual = bm25_faults.bm25(**faults)
    return bm25.diagnose_bm25(actual, bm25_faults.DOCS, bm25_faults.QUERIES, variant=variant, tolerance=1e-9)


def diagnose_analysis(folder: Path, faults: dict) -> Diagnosis:
    docs, queries = (
        [faults["analyze"](text) for text in texts] for texts in (bm25_faults.TEXTS, bm25_faults.TEXT_QUERIES)
    )
    actual = bm25_faults.bm25(docs, queries)
    own = "lucene-english" if faults["analyze"] is bm25_faults.ANALYSIS["analyzer simple"] else "simple"
    return bm25.diagnose_bm25(
        actual, bm25_faults.TEXTS, bm25_faults.TEXT_QUERIES, variant="lucene", analyzer=own, tolerance=1e-9
    )


def diagnose_metrics(folder: Path, faults: dict) -> Diagnosis:
    return metrics.diagnose_metrics(metric_faults.metrics(MEASURES, **faults), metric_faults.QRELS, metric_faults.RUN)


ENCODER = encoder_faults.EMBEDDINGS | token_faults.FAULTS
LISTED = {"padding kept": {"padded": True}, "ids one too high": {"offset": 1}, "ids one too low": {"offset": -1}}
FORMULA = {
    name: changes | {"reference": bm25_faults.REFERENCE.get(name, "lucene")}
    for name, changes in bm25_faults.FORMULA.items()
}
FORMULA["other k1 and b"] = FORMULA["k1 = 0.9 and b = 0.4"]
DOMAINS: dict[str, tuple[Callable[[Path, dict], Diagnosis], tuple[Hypothesis, ...], dict]] = {
    "embeddings": (diagnose_embeddings, embedding_problem.EmbeddingProblem.hypotheses, ENCODER),
    "trace": (diagnose_trace, trace.TraceProblem.hypotheses, ENCODER),
    "tokens": (diagnose_tokens, token_ids.TokenProblem.hypotheses, ENCODER | LISTED),
    "splade": (diagnose_splade, splade.HEAD, encoder_faults.SPLADE),
    "rerank": (diagnose_rerank, (*rerank.PAIRS, *rerank.SCORING), encoder_faults.RERANK),
    "bm25": (diagnose_bm25, BM25, FORMULA),
    "analysis": (diagnose_analysis, ANALYSIS, {name: {"analyze": a} for name, a in bm25_faults.ANALYSIS.items()}),
    "metrics": (diagnose_metrics, metrics.METRICS, metric_faults.FAULTS),
}
CASES = [(domain, each.name) for domain, (_, hypotheses, _) in DOMAINS.items() for each in hypotheses]


def diagnosed(domain: str, folder: Path, *names: str) -> Diagnosis:
    diagnose, _, faults = DOMAINS[domain]
    return diagnose(folder, {field: value for name in names for field, value in faults[name].items()})


def exact_causes(diagnosis: Diagnosis) -> list[tuple[str, ...]]:
    """The names of each cause that explains everything, best first."""
    fitted = {name: "other k1 and b" for cause in diagnosis.causes for name in cause.names if name.startswith("k1 =")}
    return [tuple(fitted.get(n, n) for n in cause.names) for cause in diagnosis.causes if cause.explains_all]


@pytest.mark.parametrize(("domain", "name"), CASES)
def test_an_injected_hypothesis_is_named_first(domain, name, folder, sigmoid_folder):
    model = sigmoid_folder if (domain, name) == ("rerank", "logits") else folder
    diagnosis = diagnosed(domain, model, name)
    if name in UNSEEN.get(domain, {}):
        assert diagnosis.matches, str(diagnosis)
        return
    others, _ = EQUIVALENT.get(domain, {}).get(name, (set(), ""))
    exact = exact_causes(diagnosis)
    assert sorted(exact) == sorted([(name,), *((other,) for other in others)]), str(diagnosis)
    assert diagnosis.causes[0].explains_all, str(diagnosis)


@pytest.mark.parametrize(("name", "other"), SEEN_WITH.items())
def test_a_hypothesis_without_an_effect_of_its_own_is_named_in_a_pair(name, other, folder):
    assert set(exact_causes(diagnosed("embeddings", folder, name, other))[0]) == {name, other}


def test_there_are_as_many_hypotheses_as_tested():
    """A hypothesis is tested once per object: 258 of them, those of tokens also among the encoder's."""
    tested = {id(each) for _, hypotheses, _ in DOMAINS.values() for each in hypotheses}
    problems = (embedding_problem.EmbeddingProblem, trace.TraceProblem, token_ids.TokenProblem, splade.SpladeProblem)
    used = [each for problem in (*problems, rerank.RerankProblem, metrics.MetricProblem) for each in problem.hypotheses]
    assert {id(each) for each in (*used, *BM25, *ANALYSIS)} == tested
    assert len(tested) == 258


@pytest.mark.parametrize("domain", DOMAINS)
def test_names_are_unique(domain):
    names = [each.name for each in DOMAINS[domain][1]]
    assert len(names) == len(set(names))
