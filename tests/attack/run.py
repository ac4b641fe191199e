"""`make attack`: every attack at length, and a table of what was tried and what failed."""

import argparse
import importlib
import sys
import time
from pathlib import Path

from attacks import ATTACKS, KINDS, Attack

HERE = Path(__file__).parent
SHOWN = 100
"""Failures printed below an attack's row."""


def load() -> dict:
    """Import every attack_*.py of this folder, and return the attacks by name."""
    for file in sorted(HERE.glob("attack_*.py")):
        importlib.import_module(file.stem)
    return ATTACKS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", help="name of an attack; can be repeated")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of rounds; 0 runs one round")
    options = parser.parse_args()
    attacks = load()
    runs = []
    print("attack".ljust(34), *(kind.rjust(10) for kind in KINDS), "failures".rjust(10), "seconds".rjust(8))
    for name in options.only or sorted(attacks):
        run = Attack(name, options.seed, options.scale)
        started = time.perf_counter()
        attacks[name](run)
        counts = [f"{run.counts[kind]:>10,}" for kind in KINDS]
        print(name.ljust(34), *counts, f"{len(run.failures):>10}", f"{time.perf_counter() - started:>8.1f}")
        print(*(f"  {failure}\n" for failure in run.failures[:SHOWN]), sep="", end="", flush=True)
        runs.append(run)
    totals = [f"{sum(run.counts[kind] for run in runs):>10,}" for kind in KINDS]
    failures = [failure for run in runs for failure in run.failures]
    print("total".ljust(34), *totals, f"{len(failures):>10}")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
