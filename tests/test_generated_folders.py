"""Over 400 folders saved by sentence-transformers against its own vectors, rows and scores, in float64.

A systematic pass writes each value of each key into folders of several architectures; hypothesis draws combinations.
Each test counts its folders, so that a shorter table fails.
"""

import itertools
import shutil
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import generated_folders as made
import numpy as np
import pytest
from generated_folders import MODEL, POOLING, SENTENCE, SPLADE, TOKENIZER, Draft
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refimpl import (
    CrossEncoderRerankFunction,
    MiniLMEmbeddingFunction,
    SentenceTransformerEmbeddingFunction,
    SpladeEmbeddingFunction,
)

pytestmark = [pytest.mark.peer, pytest.mark.usefixtures("unchecked", "one_thread")]
TOLERANCE = 1e-12
KINDS_PER_VALUE = 3
DRAWN = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread for torch: its threads wait for each other longer than these products take."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def assert_close(actual: np.ndarray, expected: np.ndarray, label: object) -> None:
    """Equal to 1e-12 of each row's length, so that unit vectors are equal to 1e-12."""
    assert expected.dtype == np.float64
    assert actual.shape == expected.shape, label
    length = np.maximum(np.linalg.norm(expected, axis=-1, keepdims=True), 1.0 if expected.ndim == 1 else 1e-12)
    difference = np.abs(actual - expected) / length
    assert difference.max() <= TOLERANCE, f"{label}: {difference.max():.1e}"


def assert_dense(folder: Path, draft: Draft) -> None:
    expected = made.dense_vectors(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        function = SentenceTransformerEmbeddingFunction(folder, dtype="float64", normalize_embeddings=False)
        methods = {"encode": function, "query": function.encode_query, "document": function.encode_document}
        for name, method in methods.items():
            assert_close(method(made.TEXTS), expected[name], (name, draft))
        assert_close(function.encode_queries(made.TEXTS), expected["encode"], ("encode_queries", draft))
        unit = expected["encode"] / np.linalg.norm(expected["encode"], axis=1, keepdims=True)
        assert_close(MiniLMEmbeddingFunction(folder, dtype="float64")(made.TEXTS), unit, ("MiniLM", draft))


def assert_sparse(folder: Path, draft: Draft) -> None:
    expected = made.sparse_rows(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        function = SpladeEmbeddingFunction(str(folder), dtype="float64")
        methods = {"encode": function, "query": function.encode_query, "document": function.encode_document}
        for name, method in methods.items():
            assert_close(method(made.TEXTS).toarray(), expected[name], (name, draft))


def assert_pairs(folder: Path, draft: Draft) -> None:
    actual = CrossEncoderRerankFunction(str(folder), dtype="float64").scores(made.QUERY, made.TEXTS)
    assert_close(actual, made.pair_scores(folder), draft)


SAVE = {"dense": made.save_dense, "sparse": made.save_sparse, "pairs": made.save_pairs}
COMPARE = {"dense": assert_dense, "sparse": assert_sparse, "pairs": assert_pairs}


def check(task: str, place: Path, drafts: Iterable[Draft]) -> int:
    """Save each draft, compare, remove it; the number of folders."""
    count = 0
    for draft in drafts:
        folder = SAVE[task](place / "model", draft)
        COMPARE[task](folder, draft)
        shutil.rmtree(folder)
        count += 1
    return count


def with_kinds(kinds: tuple[str, ...], drafts: list[dict[str, Any]], each: int = KINDS_PER_VALUE) -> Iterator[Draft]:
    """Each draft with `each` of the kinds, in turn, so that every kind is used."""
    turn = itertools.cycle(kinds)
    for draft in drafts:
        yield from (Draft(kind=next(turn), **draft) for _ in range(min(each, len(kinds))))


def prompted(settings: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in settings.items() if name != "include_prompt"}
    return {"settings": kept, "include_prompt": settings.get("include_prompt", True)}


def keys(file: str, values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"keys": {file: value}} for value in values]


PADDED_LEFT = [{"keys": {TOKENIZER: {"padding_side": "left"}}, "pooling_mode": mode} for mode in made.MODES]
DENSE: dict[str, list[dict[str, Any]]] = {
    MODEL: [
        *({"settings": {"truncate_dim": width}} for width in (5, 100)),
        *({"settings": {"similarity_fn_name": name}} for name in made.SIMILARITIES),
        *map(prompted, made.PROMPTS),
        *keys(MODEL, [{"requirements": {}}, {"prompts": {"query": None}}]),
    ],
    SENTENCE: keys(SENTENCE, [*made.TRANSFORMER, *made.LENGTHS]),
    TOKENIZER: [*keys(TOKENIZER, made.TOKENIZERS), *PADDED_LEFT],
    POOLING: [
        *made.POOLINGS,
        *({**mode, "include_prompt": False} | prompted(made.PROMPTS[5]) for mode in made.POOLINGS),
    ],
    "modules.json": [*({"after": after} for after in made.AFTER), {"subfolder": "0_Transformer"}],
}
FILES = {
    "dense": DENSE,
    "sparse": {
        MODEL: [{"settings": {"max_active_dims": 3}}, *map(prompted, made.PROMPTS[:5])],
        SENTENCE: keys(SENTENCE, [*made.TRANSFORMER, *made.LENGTHS]),
        TOKENIZER: keys(TOKENIZER, made.TOKENIZERS),
        SPLADE: keys(
            SPLADE,
            [
                {"pooling_strategy": strategy, "activation_function": activation}
                for strategy in ("max", "sum")
                for activation in ("relu", "log1p_relu")
            ],
        ),
        "modules.json": [{"subfolder": "0_MLMTransformer"}],
    },
    "pairs": {
        MODEL: [
            *({"settings": {"activation_fn": name}} for name in ("Sigmoid", "Identity")),
            *map(prompted, [made.PROMPTS[i] for i in (0, 2, 3)]),
        ],
        SENTENCE: keys(SENTENCE, made.TRANSFORMER),
        TOKENIZER: keys(TOKENIZER, made.TOKENIZERS),
        "modules.json": [{"subfolder": "0_Transformer"}],
    },
}
KINDS = {"dense": made.KINDS, "sparse": made.MASKED_KINDS, "pairs": made.PAIR_KINDS}
EACH = {"dense": 3, "sparse": 1, "pairs": 1}


@pytest.mark.parametrize(("task", "file"), [(task, file) for task, files in FILES.items() for file in files])
def test_each_value_of_each_key(tmp_path, task, file):
    drafts = list(with_kinds(KINDS[task], FILES[task][file], EACH[task]))
    assert check(task, tmp_path, drafts) == len(FILES[task][file]) * EACH[task]


def test_there_are_at_least_300_folders_in_the_systematic_pass():
    assert sum(len(values) * EACH[task] for task, files in FILES.items() for values in files.values()) >= 300


@pytest.mark.parametrize(("task", "kinds"), [("dense", made.OF_BERT), ("sparse", ("bert",)), ("pairs", ("bert",))])
def test_each_key_of_a_tokenizer_that_is_rebuilt(tmp_path, task, kinds):
    drafts = with_kinds(kinds, keys(TOKENIZER, made.BERT_TOKENIZERS), 1)
    assert check(task, tmp_path, drafts) == len(made.BERT_TOKENIZERS)


@pytest.mark.parametrize("task", FILES)
@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_texts_are_lower_cased_before_a_tokenizer_that_keeps_the_case(tmp_path, task, kind):
    cased = {"tokenizer_class": "BertTokenizer", "do_lower_case": False} if kind == "bert" else {}
    keys = {SENTENCE: {"do_lower_case": True}, TOKENIZER: cased}
    assert check(task, tmp_path, [Draft(kind=kind, keys=keys)]) == 1


@pytest.mark.parametrize("names", [[], ["token_type_ids"]])
def test_pairs_have_segments_where_the_model_gets_them(tmp_path, names):
    named = {"tokenizer_class": "BertTokenizer", "model_input_names": ["input_ids", *names, "attention_mask"]}
    assert check("pairs", tmp_path, [Draft(kind="bert", keys={TOKENIZER: named})]) == 1


def some(values: list[dict[str, Any]], most: int = 3) -> st.SearchStrategy[dict[str, Any]]:
    """The union of up to `most` of the values."""
    return st.lists(st.sampled_from(values), max_size=most).map(
        lambda drawn: {k: v for d in drawn for k, v in d.items()}
    )


def drafts(task: str) -> st.SearchStrategy[Draft]:
    """Combinations of keys."""
    tokenizer_keys = some(made.TOKENIZERS) | some(made.BERT_TOKENIZERS)
    file_keys = {
        SENTENCE: some([*made.TRANSFORMER, *(made.LENGTHS if task != "pairs" else [])]),
        TOKENIZER: tokenizer_keys,
    }
    more: dict[str, Any] = {"subfolder": st.sampled_from(["", "", "0_Transformer"])}
    if task == "dense":
        more["after"] = st.sampled_from([(), *made.AFTER])
        more["pooling_mode"] = st.sampled_from([mode["pooling_mode"] for mode in made.POOLINGS])
        more["include_prompt"] = st.booleans()
        extra = {"truncate_dim": st.sampled_from([None, 5, 100])}
    elif task == "sparse":
        extra = {"max_active_dims": st.sampled_from([None, 3])}
        file_keys[SPLADE] = some([draft["keys"][SPLADE] for draft in FILES["sparse"][SPLADE]])
    else:
        extra = {"activation_fn": st.sampled_from(["Sigmoid", "Identity"])}
    prompts = st.sampled_from(
        [{}, *(prompted(value)["settings"] for value in made.PROMPTS if task != "pairs" or "prompts" in value)]
    )
    arguments = st.tuples(prompts, st.fixed_dictionaries({}, optional=extra)).map(lambda both: both[0] | both[1])
    kinds = st.sampled_from(KINDS[task])
    return st.builds(Draft, kind=kinds, settings=arguments, keys=st.fixed_dictionaries({}, optional=file_keys), **more)


def drawn(draft: Draft) -> bool:
    """Whether sentence-transformers itself can encode the texts of such a folder."""
    return draft.kind in made.OF_BERT or "tokenizer_class" not in draft.keys.get(TOKENIZER, {})


@pytest.mark.parametrize(("task", "examples"), [("dense", 120), ("sparse", 40), ("pairs", 40)])
def test_drawn_combinations_of_keys(tmp_path, task, examples):
    count = 0

    @settings(DRAWN, max_examples=examples)
    @given(draft=drafts(task).filter(drawn))
    def compare(draft: Draft) -> None:
        nonlocal count
        shutil.rmtree(tmp_path / "model", ignore_errors=True)
        count += check(task, tmp_path, [draft])

    compare()
    assert count >= examples * 0.9
