"""Time and money of a run by stage, from its timings and the prices of the machine and of providers' tokens."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

SECONDS_PER_HOUR = 3600.0
STAGES = {  # kinds of `Timing.stage`, in the order of a run, with what an item is
    "fit": "document",
    "encode queries": "query",
    "encode documents": "document",
    "ingest": "document",
    "search, batched": "query",
    "rerank": "pair",
}


@dataclass(frozen=True)
class Timing:
    """Seconds of a stage for `items`; `skipped` items were cached or in the store already, and are not in the time.

    `remote` is True for what a provider that charges by token has computed, `tokens` is their number as its responses
    state it, None where they do not.
    """

    stage: str
    what: str
    items: int
    seconds: float
    skipped: int = 0
    remote: bool = False
    tokens: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields and `per_second`, None where there was nothing to do."""
        rate = self.items / self.seconds if self.items and self.seconds else None
        return asdict(self) | {"per_second": rate}


@dataclass(frozen=True)
class Prices:
    """Prices in any one currency: of an hour of this machine, and of a million tokens of a provider, by field.

    Raises ValueError for a price that is negative or not finite.
    """

    per_hour: float | None = None
    per_million_tokens: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named = {
            "an hour": self.per_hour,
            **{f"a million tokens of {k}": v for k, v in self.per_million_tokens.items()},
        }
        for what, price in named.items():
            if price is not None and not 0 <= price < math.inf:
                raise ValueError(f"the price of {what} must be a finite number from 0, got {price}")

    @property
    def known(self) -> bool:
        """Whether there is any price."""
        return self.per_hour is not None or bool(self.per_million_tokens)

    def cost(self, timing: Timing) -> float | None:
        """Seconds at the price of the machine, or tokens at the price of the provider; None where it is not known.

        What a provider computes costs its tokens alone. It is unknown where its responses state none, unless the price
        is 0.
        """
        if not timing.remote:
            return None if self.per_hour is None else timing.seconds * self.per_hour / SECONDS_PER_HOUR
        price = self.per_million_tokens.get(timing.what)
        if price is None or not price:
            return price
        return None if timing.tokens is None else timing.tokens * price / 1e6


@dataclass(frozen=True)
class StageCost:
    """The sums of a stage over its fields or systems; `cost` is None unless that of each is known."""

    stage: str
    item: str
    items: int
    seconds: float
    cost: float | None

    def to_dict(self) -> dict[str, Any]:
        """The fields, `seconds_per_item` and `cost_per_1000`, None where there was nothing to do or no price."""
        per_item = self.seconds / self.items if self.items else None
        per_1000 = 1000 * self.cost / self.items if self.items and self.cost is not None else None
        return asdict(self) | {"seconds_per_item": per_item, "cost_per_1000": per_1000}


def stage_costs(timings: Sequence[Timing], prices: Prices) -> list[StageCost]:
    """One entry per stage of the run, in the run's order."""
    costs = []
    for stage, item in STAGES.items():
        of_stage = [timing for timing in timings if timing.stage == stage]
        if not of_stage:
            continue
        known = [cost for timing in of_stage if (cost := prices.cost(timing)) is not None]
        items, seconds = sum(timing.items for timing in of_stage), math.fsum(timing.seconds for timing in of_stage)
        costs.append(StageCost(stage, item, items, seconds, math.fsum(known) if len(known) == len(of_stage) else None))
    return costs
