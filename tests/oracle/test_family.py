"""Architectures, poolings, BGE-M3 and SPLADE against their golden vectors, without torch."""

from dataclasses import replace

import numpy as np
import pytest
import seeded
from family_walk import compared

from refimpl.bert import architectures
from refimpl.bert import forward as forward_module
from refimpl.bert.architectures import ARCHITECTURES, position_buckets
from refimpl.bert.config import BertConfig
from refimpl.bert.pooling import POOLINGS
from refimpl.hybrid import bge_m3
from refimpl.oracle import golden

pytestmark = pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning")


def test_every_golden_vector_is_met(tmp_path):
    comparisons = list(compared(tmp_path))
    assert len(comparisons) == 20
    assert all(comparison.matches for comparison in comparisons), "\n".join(map(str, comparisons))


def test_exactly_these_rows_as_their_manifest_says():
    vectors = golden.vectors("family")
    assert len({vector.name for vector in vectors}) == len(vectors) == 20
    kinds = {vector.tensor.partition("/")[2] for vector in vectors if vector.stage == "last_hidden_state"}
    assert kinds == set(seeded.CONFIGS)
    for vector in vectors:
        assert np.isfinite(golden.array(vector)).all()
        assert vector.source["package"] in {"transformers", "sentence-transformers", "torch"}
        assert vector.observed_max is not None
        assert vector.observed_max <= vector.tolerance / 3


def test_ten_texts_have_splades_sparsity():
    nonzero = golden.array(next(v for v in golden.vectors("family") if v.tensor == "nonzero"))
    assert len(nonzero) == len(seeded.SPLADE_TEXTS) == 10
    assert 0 < nonzero.min() < nonzero.max() < 400  # of 30,522 columns


@pytest.mark.peer
def test_the_seeded_weights_are_torchs_too(tmp_path):
    """The folder written without torch and the one that transformers saves are one model."""
    from refimpl.bert.weights import BertWeights

    for kind in seeded.CONFIGS:
        plain = BertWeights.load(seeded.model_folder(tmp_path / f"{kind}-plain", kind))
        saved = BertWeights.load(seeded.torch_folder(tmp_path / kind, kind))
        assert plain.config == saved.config
        assert set(plain) == set(saved)
        for name in plain:
            np.testing.assert_array_equal(plain[name], saved[name], err_msg=f"{kind} {name}")


WEIGHTED = POOLINGS["weightedmean"]


FAULTS = {
    "positions from 0": (
        (ARCHITECTURES, "xlm-roberta", replace(ARCHITECTURES["xlm-roberta"], first_position=lambda pad: 0)),
        {"last_hidden_state/xlm-roberta", "dense", "sparse", "colbert_vecs"},
    ),
    "no relative positions": ((forward_module, "relative_position_bias", lambda *_: None), {"last_hidden_state/mpnet"}),
    "relative positions backwards": (
        (architectures, "position_buckets", lambda distances: position_buckets(-distances)),
        {"last_hidden_state/mpnet"},
    ),
    "the first group for every layer": (
        (BertConfig, "stored_layer", lambda self, i: f"0.{i % 2}" if self.num_hidden_groups else str(i)),
        {"last_hidden_state/albert"},
    ),
    "weights from 0": (
        (POOLINGS, "weightedmean", lambda s, p, n: WEIGHTED(s, p - 1, n)),
        {"sentence_vectors/weightedmean_tokens", "sentence_vectors/all"},
    ),
    "padding's place pooled": (
        (POOLINGS, "lasttoken", lambda s, p, n: s[np.cumsum(n) - 2].astype(float)),
        {"sentence_vectors/lasttoken", "sentence_vectors/all"},
    ),
    "special tokens weighted": ((bge_m3, "UNWEIGHTED", ()), {"sparse"}),
    "no unit length": ((bge_m3, "l2_normalize", lambda x: x), {"dense", "colbert_vecs"}),
}


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
@pytest.mark.parametrize("fault", FAULTS)
def test_golden_vectors_catch_the_fault(fault, tmp_path, monkeypatch):
    (where, name, wrong), expected = FAULTS[fault]
    patch = monkeypatch.setitem if isinstance(where, dict) else monkeypatch.setattr
    patch(where, name, wrong)
    failed = {comparison.name.partition(":")[2] for comparison in compared(tmp_path) if not comparison.matches}
    assert failed == expected
