"""Process-wide settings that a call needs while it runs: counted, so that overlapping calls restore them."""

import logging
import os
import threading
from collections.abc import Callable
from typing import ClassVar
from weakref import WeakSet

Restore = Callable[[], None]


class Shared:
    """A context manager around a process-wide setting: the first user applies it, the last one restores it.

    Each saving and restoring it by itself, two overlapping calls would leave the setting of the first for ever: the
    second saves it. `apply` returns the function that restores what it changed; a child of a fork, in which no other
    thread runs, restores it at once.
    """

    _all: ClassVar["WeakSet[Shared]"] = WeakSet()

    def __init__(self, apply: Callable[[], Restore]) -> None:
        self._apply = apply
        self._lock = threading.Lock()
        self._users = 0
        self._restore: Restore | None = None
        Shared._all.add(self)

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._restore = self._apply()
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users = max(0, self._users - 1)  # 0 where the process was forked within
            if self._users == 0:
                self._finish()

    def _finish(self) -> None:
        restore, self._restore = self._restore, None
        if restore is not None:
            restore()

    @classmethod
    def after_fork(cls) -> None:
        """Restore every setting in the child: the threads that would do so are the parent's."""
        for shared in cls._all:
            shared._lock = threading.Lock()
            shared._users = 0
            shared._finish()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=Shared.after_fork)


def quiet_loggers(level: int, *names: str) -> Restore:
    """Set the level of the loggers `names`; returns the function that restores those that still have it."""
    before = [(logger, logger.level) for logger in map(logging.getLogger, names)]
    for logger, _ in before:
        logger.setLevel(level)

    def restore() -> None:
        for logger, former in before:
            if logger.level == level:
                logger.setLevel(former)

    return restore
