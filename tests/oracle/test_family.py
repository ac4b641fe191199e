"""Architectures, poolings, BGE-M3 and SPLADE against their golden vectors, without torch."""

import numpy as np
import pytest
import seeded
from family_walk import compared

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
