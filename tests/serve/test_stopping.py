"""A server that is stopped: what waits is refused, what is computed finishes, and the process ends."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from served import running_server
from strangers import BODY, PATIENCE_S, Instant, answer, connected, post, request, until

import refimpl.serve.bodies
from refimpl.serve.engine import Engine

ROOT = Path(__file__).parents[2]


class TestStopping:
    def test_what_waits_gets_503_and_what_is_computed_finishes(self, fake: Engine, instant: Instant) -> None:
        instant.free.clear()
        with running_server(fake) as (server, port), ThreadPoolExecutor(3) as pool, connected(port) as slow:
            computed = pool.submit(post, port, {"query": "first", "texts": ["a"]})
            assert instant.begun.wait(PATIENCE_S)
            waiting = [pool.submit(post, port, {"query": f"q{number}", "texts": ["a"]}) for number in range(2)]
            slow.sendall(request(b"{", Content_Length="100"))
            until(lambda: len(server.app.state.batches) == 3, "two wait")
            until(lambda: len(server.server_state.tasks) == 4, "one sends its body")
            server.should_exit = True
            assert [one.result()[0] for one in waiting] == [503, 503]
            assert answer(slow)[0] == 503
            instant.free.set()
            assert computed.result()[0] == 200

    def test_what_is_parsed_meanwhile_gets_503(
        self, fake: Engine, instant: Instant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parsed, go_on = threading.Event(), threading.Event()

        def slowly(data: bytes) -> Any:
            if len(data) > 100_000:
                parsed.set()
                assert go_on.wait(PATIENCE_S)
            return json.loads(data)

        monkeypatch.setattr(refimpl.serve.bodies, "strict_json", slowly)
        instant.free.clear()
        with running_server(fake) as (server, port), ThreadPoolExecutor(3) as pool:
            computed = pool.submit(post, port, {"query": "first", "texts": ["a"]})
            assert instant.begun.wait(PATIENCE_S)
            waiting = pool.submit(post, port, BODY)
            until(lambda: len(server.app.state.batches) == 2, "one waits")
            large = pool.submit(post, port, {"query": "q", "texts": ["a" * 100_000]})
            assert parsed.wait(PATIENCE_S)
            server.should_exit = True
            assert waiting.result()[0] == 503
            go_on.set()
            instant.free.set()
            assert (large.result()[0], computed.result()[0]) == (503, 200)

    def test_the_process_ends_within_the_grace_whatever_is_computed(self) -> None:
        with process("threading.Event().wait()", grace_s=1) as (child, port), ThreadPoolExecutor(1) as pool:
            assert child.stdout is not None
            computed = pool.submit(post, port, BODY)
            assert child.stdout.readline() == "computing\n"
            child.terminate()
            assert computed.result()[0] == 503
            _, errors = child.communicate(timeout=PATIENCE_S)
        assert (child.returncode, errors) == (0, "")

    def test_the_process_ends_within_the_grace_when_a_response_is_not_read(self) -> None:
        body = {"query": "q", "texts": ["x" * 200_000 + str(number) for number in range(36)], "return_text": True}
        with process("", grace_s=1, response_timeout_s=600) as (child, port), socket.socket() as client:
            assert child.stdout is not None
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", port))
            client.sendall(request(body))
            assert [child.stdout.readline() for _ in range(36)] == ["computing\n"] * 36
            child.terminate()
            child.communicate(timeout=PATIENCE_S)
        assert child.returncode == 0


@contextmanager
def process(before_scores: str, **limits: float) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A server in a process, and its port; it prints "computing", then runs `before_scores`, for each step."""
    code = f"""
import sys, threading
sys.path.insert(0, {str(ROOT / "tests" / "helpers")!r})
from strangers import Instant
from refimpl import MiniLMEmbeddingFunction
from refimpl.serve.engine import Engine
from refimpl.serve.limits import Limits
from refimpl.serve.run import run

class Printing(Instant):
    def raw_scores(self, tokens):
        print("computing", flush=True)
        {before_scores}
        return super().raw_scores(tokens)

run(Engine(MiniLMEmbeddingFunction(), Printing(), "none", "printing"), "127.0.0.1", 0, None, Limits(**{limits!r}))
"""
    command = [sys.executable, "-c", code]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        yield child, int(child.stdout.readline().split()[0].rpartition(":")[2])
    finally:
        child.kill()
        child.communicate()
