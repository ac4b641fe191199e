"""Texts of concurrent requests, computed together in steps of bounded size.

Requests whose work has the same key give texts in turn, so that a short request does not wait for a long one. A request
whose client has left is dropped before the next step.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from scipy.sparse import csr_array, vstack

from refimpl.common.memory import return_free_memory
from refimpl.common.types import Array
from refimpl.serve.metrics import Metrics

STEP_TEXTS = 64
STEP_CHARS = 16_384
TRIM_CHARS = 1 << 18  # characters computed before unused memory is returned to the system


@dataclass(frozen=True)
class Rows:
    """What was computed for texts: a row, a score or a vector per text, and how many tokens were read.

    `shared_tokens` are those read once for all texts, such as the query's.
    """

    values: Array | csr_array
    lengths: Int[Array, "texts"]
    truncated: Bool[Array, "texts"]
    shared_tokens: int = 0

    def __getitem__(self, texts: Any) -> "Rows":
        return Rows(self.values[texts], self.lengths[texts], self.truncated[texts], self.shared_tokens)

    @property
    def tokens(self) -> int:
        """All tokens read."""
        return int(self.lengths.sum()) + self.shared_tokens


@dataclass(frozen=True)
class Work:
    """The texts of a request, and how to compute their rows; texts of works with equal keys are computed together.

    A text is a str, or a tuple of token ids.
    """

    key: Hashable
    compute: Callable[[list[Any]], Rows]
    texts: Sequence[Any]


@dataclass(eq=False)
class _Job:
    work: Work
    texts: list[Any]
    result: "asyncio.Future[Rows]"
    parts: list[Rows] = field(default_factory=list)
    next: int = 0
    started: bool = False

    def deliver(self, part: Rows) -> None:
        self.parts.append(part)
        self.next += len(part.lengths)
        if self.next == len(self.texts) and not self.result.done():
            self.result.set_result(_joined(self.parts))

    def fail(self, error: BaseException) -> None:
        if not self.result.done():
            self.result.set_exception(error)


class Batches:
    """Computes the texts of all requests, one step at a time, in one thread; belongs to one event loop."""

    def __init__(self, metrics: Metrics) -> None:
        self._jobs: list[_Job] = []
        self._thread = ThreadPoolExecutor(1, "refimpl-serve")
        self._pump: asyncio.Task[None] | None = None
        self._metrics = metrics
        self._chars = 0
        self.computing = False

    def __len__(self) -> int:
        """Number of requests that are waiting or being computed."""
        return len(self._jobs)

    async def compute(self, work: Work) -> Rows:
        """One row per text of `work`, equal texts computed once; cancelling it drops what was not computed."""
        numbers = {text: number for number, text in enumerate(dict.fromkeys(work.texts))}
        job = _Job(work, list(numbers), asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._metrics.waiting.set(len(self))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run())
        try:
            rows = await job.result
        finally:
            if job in self._jobs:
                self._jobs.remove(job)
            job.result.cancel()
            self._metrics.waiting.set(len(self))
        return rows[[numbers[text] for text in work.texts]]

    def refuse_waiting(self, error: Callable[[], Exception]) -> None:
        """Raise an `error()` in every request of which nothing has been computed."""
        for job in self._jobs:
            if not job.started:
                job.fail(error())

    def refuse_all(self, error: Callable[[], Exception]) -> None:
        """Raise an `error()` in every request."""
        for job in self._jobs:
            job.fail(error())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while (step := self._next_step()) or self._chars >= TRIM_CHARS:
            if not step:
                self._chars = 0
                await loop.run_in_executor(self._thread, return_free_memory)
                continue
            self.computing = True
            results = await loop.run_in_executor(self._thread, _compute, step)
            self.computing = False
            served = {job for job, _ in step}
            self._jobs.sort(key=served.__contains__)  # those that wait now come first
            for (job, texts), result in zip(step, results, strict=True):
                if isinstance(result, Rows):
                    job.deliver(result)
                else:
                    job.fail(result)
                self._chars += sum(map(len, texts))
            self._metrics.step_requests.observe(len(step))
            self._metrics.step_texts.observe(sum(len(texts) for _, texts in step))

    def _next_step(self) -> list[tuple[_Job, list[Any]]]:
        """Jobs with the first one's key, and the texts that each gives, one in turn."""
        self._jobs = [job for job in self._jobs if not job.result.done()]
        if not self._jobs:
            return []
        key = self._jobs[0].work.key
        turns = deque(job for job in self._jobs if job.work.key == key)
        given: dict[_Job, list[Any]] = {}
        count = chars = 0
        while turns and count < STEP_TEXTS and chars < STEP_CHARS:
            job = turns.popleft()
            texts = given.setdefault(job, [])
            texts.append(job.texts[job.next + len(texts)])
            count += 1
            chars += len(texts[-1])
            if job.next + len(texts) < len(job.texts):
                turns.append(job)
        for job in given:
            job.started = True
        return list(given.items())


def _compute(step: list[tuple[_Job, list[Any]]]) -> list[Rows | Exception]:
    """The rows of each job of a step; where computing them together fails, each by itself, so that one may fail."""
    texts = [text for _, given in step for text in given]
    try:
        rows = step[0][0].work.compute(texts)
    except Exception as error:
        if len(step) == 1:
            return [error]
        return [result for one in step for result in _compute([one])]
    ends = np.cumsum([len(given) for _, given in step])
    return [rows[end - len(given) : end] for end, (_, given) in zip(ends.tolist(), step, strict=True)]


def _joined(parts: list[Rows]) -> Rows:
    values = [part.values for part in parts]
    return Rows(
        vstack(values, format="csr") if isinstance(values[0], csr_array) else np.concatenate(values),
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([part.truncated for part in parts]),
        parts[0].shared_tokens,
    )
