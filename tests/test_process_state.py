"""No call changes the state of the process, also where calls overlap in threads, are abandoned, or fork."""

import logging
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
import seeded
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from threadpoolctl import ThreadpoolController, threadpool_limits

from refimpl import MiniLMEmbeddingFunction
from refimpl.bert.blas import ONE_BLAS_THREAD
from refimpl.common.shared import Shared
from refimpl.common.warning import silenced
from refimpl.models import transfer
from refimpl.tokens import TruncationWarning, warn_truncated

LOGGERS = ("pymilvus", "grpc._server", "milvus_lite", "huggingface_hub")


def blas_threads() -> list[int]:
    return [library.num_threads for library in ThreadpoolController().select(user_api="blas").lib_controllers]


def state() -> dict[str, Any]:
    """What a call may not change, read by the libraries' own means."""
    return {
        "blas": blas_threads(),
        "levels": [logging.getLogger(name).level for name in LOGGERS],
        "bars": are_progress_bars_disabled(),
        "log filters": [list(logging.getLogger(name).filters) for name in LOGGERS],
        "warnings": (list(warnings.filters), warnings.showwarning),
        "environment": dict(os.environ),
        "errors": np.geterr(),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)],
        "folder": os.getcwd(),
    }


@pytest.fixture(autouse=True)
def two_blas_threads() -> Iterator[None]:
    """Two BLAS threads, whatever the machine and the environment say."""
    with threadpool_limits(2, user_api="blas"):
        assert 2 in blas_threads()
        yield


@pytest.fixture(autouse=True)
def logger_levels() -> Iterator[None]:
    """Levels that no library sets, so that one left behind is seen."""
    before = [logging.getLogger(name).level for name in LOGGERS]
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO + 1)
    yield
    for name, level in zip(LOGGERS, before, strict=True):
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def encoder(tmp_path: Any) -> Any:
    return MiniLMEmbeddingFunction(seeded.model_folder(tmp_path / "bert", "bert"), max_length=100, num_workers=1)


def overlap(first: Callable[[Callable[[], None]], Any], second: Callable[[Callable[[], None]], Any]) -> None:
    """Run both in threads: `first` begins, `second` begins, `first` ends, `second` ends; each calls back within."""
    began, second_began, first_ended = threading.Event(), threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def run(work: Callable[[], Any], ended: threading.Event | None = None) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            if ended:
                ended.set()

    def in_first() -> None:
        began.set()
        assert second_began.wait(60)

    def in_second() -> None:
        second_began.set()
        assert first_ended.wait(60)

    threads = [threading.Thread(target=run, args=(lambda: first(in_first), first_ended))]
    threads[0].start()
    assert began.wait(60)
    threads.append(threading.Thread(target=run, args=(lambda: second(in_second),)))
    threads[1].start()
    for thread in threads:
        thread.join(60)
    assert not errors


def encoding(function: Any) -> Callable[[Callable[[], None]], Any]:
    """Encode, and call back while hidden states are pooled."""

    def work(within: Callable[[], None]) -> None:
        def head(states: Any, lengths: Any) -> Any:
            within()
            return states

        list(function.encoder.map(function.tokenizer(["Mars is red."]), head))

    return work


def opening(context: Callable[[], AbstractContextManager[Any]]) -> Callable[[Callable[[], None]], Any]:
    def work(within: Callable[[], None]) -> None:
        with context():
            within()

    return work


def store_call() -> AbstractContextManager[Any]:
    store = pytest.importorskip("refimpl.search.store")
    return store._calling("a test")  # type: ignore[no-any-return]


def plot() -> AbstractContextManager[Any]:
    return pytest.importorskip("refimpl.report.plots").STYLED  # type: ignore[no-any-return]


class TestOverlap:
    def test_of_two_threads_that_encode(self, encoder: Any) -> None:
        """They left BLAS at one thread for the rest of the process."""
        before = state()
        overlap(encoding(encoder), encoding(encoder))
        assert state() == before

    @pytest.mark.parametrize("context", [store_call, lambda: transfer.QUIET_HUB, lambda: ONE_BLAS_THREAD, plot])
    def test_of_two_calls_that_share_a_setting(self, context: Any) -> None:
        with context():  # imports, first, which may set a level
            pass
        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.INFO + 1)
        style = sys.modules.get("matplotlib")
        before = state(), style and dict(style.rcParams)
        overlap(opening(context), opening(context))
        assert (state(), style and dict(style.rcParams)) == before

    def test_of_silenced_warnings(self) -> None:
        """`catch_warnings` left the category ignored, and took the warnings of the other thread."""
        before, caught = state(), []

        def other(within: Callable[[], None]) -> None:
            with pytest.warns(TruncationWarning):
                warn_truncated(1, 1, 9, stacklevel=1)
            caught.append(True)
            within()

        overlap(opening(lambda: silenced(TruncationWarning)), other)
        assert caught
        overlap(opening(lambda: silenced(TruncationWarning)), opening(lambda: silenced(TruncationWarning)))
        assert state() == before
        with silenced(TruncationWarning), warnings.catch_warnings():
            warnings.simplefilter("error")
            warn_truncated(1, 1, 9, stacklevel=1)
        with pytest.warns(TruncationWarning):
            warn_truncated(1, 1, 9, stacklevel=1)

    def test_a_limit_that_the_caller_sets_meanwhile_is_kept(self, encoder: Any) -> None:
        limits = []

        def head(states: Any, lengths: Any) -> Any:
            limits.append(threadpool_limits(3, user_api="blas"))
            return states

        list(encoder.encoder.map(encoder.tokenizer(["Mars"]), head))
        assert 3 in blas_threads()
        limits[0].unregister()

    def test_the_last_user_restores_a_setting(self) -> None:
        applied = []
        shared = Shared(lambda: applied.append("on") or (lambda: applied.append("off")))  # type: ignore[func-returns-value]
        with shared:
            with shared:
                assert applied == ["on"]
            assert applied == ["on"]
        assert applied == ["on", "off"]

    def test_settings_of_the_caller_are_kept(self) -> None:
        logger = logging.getLogger("huggingface_hub")
        with transfer.QUIET_HUB:
            assert (logger.level, are_progress_bars_disabled()) == (logging.ERROR, True)
            logger.setLevel(logging.DEBUG)
        assert (logger.level, are_progress_bars_disabled()) == (logging.DEBUG, False)
        disable_progress_bars()
        try:
            with transfer.QUIET_HUB:
                pass
            assert are_progress_bars_disabled()
        finally:
            enable_progress_bars()


class TestOneCall:
    def test_encodes_with_one_blas_thread(self, encoder: Any) -> None:
        within = []
        encoding(encoder)(lambda: within.append(blas_threads()))
        assert set(within[0]) == {1}

    def test_an_abandoned_iterator_leaves_no_limit(self, encoder: Any) -> None:
        before = state()
        texts = encoder.tokenizer(["Mars is red."] * 200)
        tiles = encoder.encoder.map(texts, lambda states, lengths: states)
        next(tiles)
        assert state() == before
        del tiles

    def test_a_head_that_fails_leaves_no_limit(self, encoder: Any) -> None:
        before = state()

        def head(states: Any, lengths: Any) -> Any:
            raise KeyError("a test")

        with pytest.raises(KeyError) as caught:  # which keeps the frames
            list(encoder.encoder.map(encoder.tokenizer(["Mars"]), head))
        assert state() == before
        assert caught

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_a_child_has_the_setting_restored(self) -> None:
        applied = []
        shared = Shared(lambda: applied.append("on") or (lambda: applied.append("off")))  # type: ignore[func-returns-value]
        with shared:
            child = os.fork()
            if child == 0:
                off = applied == ["on", "off"]
                with shared:
                    again = applied[2:] == ["on"]
                os._exit(0 if off and again and applied[3:] == ["off"] else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert applied == ["on", "off"]


def test_serving_restores_the_signal_handlers() -> None:
    """In another process, since it needs the main thread."""
    pytest.importorskip("uvicorn")
    code = """
import signal
from refimpl.serve.run import _handling
before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
with _handling(lambda signum, frame: None):
    assert signal.getsignal(signal.SIGTERM) is not before[1]
assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
