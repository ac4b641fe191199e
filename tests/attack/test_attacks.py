"""Each attack for a few seconds; `make attack` runs them at length."""

import pytest
from attacks import KINDS, Attack
from run import load

ATTACKS = load()


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_attack(name):
    run = Attack(name)
    ATTACKS[name](run)
    assert sum(run.counts[kind] for kind in KINDS) > 0
    assert not run.failures, "\n".join(run.failures[:20])
