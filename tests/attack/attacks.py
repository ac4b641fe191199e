"""What every attack shares: rounds with a seed each, counts, and failures that can be run again."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

KINDS = ("inputs", "kills", "behaviours", "requests")


@dataclass
class Attack:
    """One run of one attack: `scale` 1 takes seconds and runs with the tests; `make attack` multiplies it."""

    name: str
    seed: int = 0
    scale: float = 1.0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _round: int = 0

    def rounds(self, number: int) -> Iterator[random.Random]:
        """Yield `number * scale` generators (at least one); each is seeded by the round, which a failure names."""
        for seed in range(self.seed, self.seed + max(1, round(number * self.scale))):
            self._round = seed
            yield random.Random(seed)

    def count(self, kind: str, number: int = 1) -> None:
        """Add to the table's column `kind`, one of KINDS."""
        if kind not in KINDS:
            raise ValueError(f"expected one of {KINDS}, got {kind!r}")
        self.counts[kind] += number

    def failed(self, what: str) -> None:
        """Record a failure of the present round with the arguments that repeat it."""
        self.failures.append(f"--only {self.name} --seed {self._round} --scale 0: {what}")


ATTACKS: dict[str, Callable[[Attack], None]] = {}


def attack(run: Callable[[Attack], None]) -> Callable[[Attack], None]:
    """Register `run` by its function's name."""
    if run.__name__ in ATTACKS:
        raise ValueError(f"two attacks are called {run.__name__}")
    ATTACKS[run.__name__] = run
    return run
