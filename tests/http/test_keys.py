"""A session's key: whatever a server sends back, no message, pickle, JSON or local variable shows it."""

import copy
import html
import json
import pickle
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from lying_servers import (
    BODY,
    RIGHT,
    answering,
    post,
    reply_of,
)
from remote_faults import KEY, http, wire_server

import refimpl.dense.remote
from refimpl.check.targets.endpoint import EndpointTarget
from refimpl.http import (
    RemoteError,
    Session,
    wire,
)
from refimpl.http.safety import Secret, Secrets
from refimpl.providers.client import Connection

__all__ = ["wire_server"]
TESTS = str(Path(__file__).parents[1])
QUOTED = 'sk-"quoted\\backslash&<angle>-0123456789'
KEYS = [KEY, QUOTED, "k" * 90 + "-0123456789"]


def echoes(key: str) -> list[bytes]:
    """Ways in which a server may send the key back."""
    escaped = json.dumps(key)[1:-1]
    units = "".join(f"\\u{ord(c):04x}" for c in key)
    percent = "".join(f"%{ord(c):02X}" for c in key)
    entities = "".join(f"&#{ord(c)};" for c in key)
    named = key.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
    forms = [key, escaped, units, percent, percent.lower(), entities, named, repr(key)[1:-1], json.dumps(escaped)[1:-1]]
    pads = ["", "x" * 40, "x" * 290, " " * 70_000, "x" * 65_500, " " * 65_510]
    texts = [pad + form for form in forms for pad in pads]
    return [
        *(text.encode() for text in texts),
        *(f"<html><title>{text}</title>".encode() for text in texts),
        *(f'{{"detail": "{text}'.encode() for text in texts),
        *(f'{{"detail": "{text}"}}'.encode() for text in texts),
        *(f'{{"data": ["{text}", {{"index": "{text}"}}]}}'.encode() for text in texts),
    ]


def library_locals(error: BaseException) -> str:
    """The locals of every frame of a traceback but the tests' own, as rich and pytest --showlocals print them.

    jaxtyping's frames are the tests' own too: it checks types in tests alone.
    """
    shown = ""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if not frame.f_code.co_filename.startswith(TESTS) and "jaxtyping" not in frame.f_code.co_filename:
                shown += f"{frame.f_code.co_qualname}: {frame.f_locals}\n"
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return shown


def assert_hidden(key: str, text: str) -> None:
    """No six consecutive characters of the key are in the text, as it is or escaped for Python, JSON, HTML or a URL."""
    units = re.sub(r"\\+u00([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), text)
    readings = {text, units, unquote(text), html.unescape(text)}
    for start in range(len(key) - 5):
        part = key[start : start + 6]
        for form in (part, repr(part)[1:-1], json.dumps(part)[1:-1]):
            if set(part) != {"k"}:
                assert not any(form in reading for reading in readings), (form, text[:400])


class TestKeys:
    @pytest.mark.parametrize("key", KEYS)
    @pytest.mark.parametrize("status", [200, 401, 500])
    def test_no_part_of_an_echoed_key_is_shown(self, monkeypatch: Any, key: str, status: int) -> None:
        """30 of 35 characters were shown where a message was cut, and all of a key with a quote."""
        from refimpl.providers import PROVIDERS

        session = Session("https://example.org", key, max_retries=0)
        read = PROVIDERS["openai"].embeddings[0].read
        for body in echoes(key):
            reply = reply_of(status, body)
            monkeypatch.setattr(session, "_attempt", lambda *_, reply=reply: reply)
            with pytest.raises(RemoteError) as caught:
                session.post("", {}, read=lambda answer: read(answer, 1, "server"))
            shown = str(caught.value) + str(caught.value.server_message)
            assert_hidden(key, shown)

    def test_in_a_location_or_a_header_it_is_hidden(self, wire_server: Any, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(0)
        for data in (
            http(301, b"", f"Location: /{KEY}?k={KEY}"),
            http(307, b"", f"Location: http://192.0.2.1/{KEY}"),
            http(200, BODY, f"malformed {KEY}"),
            http(200, BODY, f"Content-Encoding: {KEY}"),
            http(200, BODY, f"Transfer-Encoding: {KEY}"),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + KEY.encode() + b"\r\n",
            f"HTTP/1.1 {KEY}\r\n\r\n".encode(),
            f"{KEY}\r\n\r\n".encode(),
        ):
            with pytest.raises(RemoteError) as caught:
                post(answering(wire_server, data), KEY)
            assert_hidden(KEY, str(caught.value) + library_locals(caught.value) + caplog.text)

    @pytest.mark.parametrize("where", ["sending", "reading"])
    def test_an_interrupt_shows_no_frame_that_holds_it(self, monkeypatch: Any, wire_server: Any, where: str) -> None:
        def interrupt(*_: Any, **__: Any) -> None:
            try:
                raise OSError(KEY)
            except OSError as error:
                raise KeyboardInterrupt from error

        name = "putheader" if where == "sending" else "getresponse"
        monkeypatch.setattr(wire._CutConnection, name, interrupt, raising=False)
        with pytest.raises(KeyboardInterrupt) as caught:
            post(answering(wire_server, http(200, BODY)), KEY, headers={"api-key": KEY})
        assert_hidden(KEY, library_locals(caught.value))
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)

    def test_a_message_is_cut_after_the_key_is_hidden(self) -> None:
        for key in KEYS:
            secrets = Secrets([Secret(key)])
            for body in echoes(key)[:48]:  # the key alone, in each form
                text = body.decode()
                assert_hidden(key, secrets.cut(text * 50, 300))
                assert_hidden(key, secrets.head(text[:-10], whole=False))
            assert secrets.cut("x" * 5000, 300) == "x" * 300

    def test_a_key_in_a_header_is_hidden_without_its_scheme(self, wire_server: Any) -> None:
        url = answering(wire_server, http(401, f'{{"detail": "no such key: {KEY}"}}'.encode()))
        with pytest.raises(RemoteError, match=r"no such key: \*\*\*") as caught:
            post(url, headers={"Authorization": f"Bearer {KEY}"})
        assert_hidden(KEY, str(caught.value) + library_locals(caught.value))

    @pytest.mark.parametrize("key", [f"{KEY} {KEY}", f"{KEY}ü"])
    def test_a_secret_that_is_refused_shows_no_local_that_holds_it(self, key: str, unchecked: None) -> None:
        with pytest.raises(ValueError, match="the API key holds whitespace or a non-ASCII character") as caught:
            Secret(key)
        assert_hidden(KEY, str(caught.value) + library_locals(caught.value))

    @pytest.mark.parametrize("key", [KEY, f"{KEY} {KEY}", f"{KEY}ü"])
    @pytest.mark.parametrize(
        "make",
        [
            lambda key: refimpl.OpenAIEmbeddingFunction(api_key=key, encoding_format="hex"),
            lambda key: refimpl.OpenAIEmbeddingFunction("m", key, dimensions=0),
            lambda key: refimpl.OpenAIEmbeddingFunction("m", key, colour="red"),
            lambda key: refimpl.OpenAIEmbeddingFunction("m", key, None, None, None, None),
            lambda key: refimpl.CohereEmbeddingFunction(api_key=key, embedding_types=["int8"]),
            lambda key: refimpl.JinaRerankFunction("m", key, base_url="nowhere"),
            lambda key: refimpl.TEIRerankFunction("http://127.0.0.1", api_key=key, max_documents=0),
            lambda key: Session("http://127.0.0.1", key, max_retries=-1),
            lambda key: EndpointTarget("http://127.0.0.1", "openai", key=key, timeout_s=-1.0),
            lambda key: Connection(headers={"Authorization": f"Bearer {key}", "X": "\n"}),
        ],
    )
    def test_a_constructor_that_fails_shows_no_local_that_holds_it(
        self, key: str, make: Callable[[str], Any], unchecked: None
    ) -> None:
        with pytest.raises((TypeError, ValueError)) as caught:
            make(key)
        assert_hidden(KEY, str(caught.value) + library_locals(caught.value))

    def test_a_connection_with_a_credential_is_not_pickled(self) -> None:
        connection = Connection(headers={"api-key": KEY})
        client = refimpl.dense.remote.RemoteEmbeddingFunction(
            "openai", "m", base_url="http://127.0.0.1:9", connection=connection
        )
        for value in (connection, client, Session("http://127.0.0.1:9", headers={"Cookie": KEY})._headers):
            with pytest.raises(TypeError, match="a header with a credential is not pickled"):
                pickle.dumps(value)
        for value in (client, copy.copy(client), copy.deepcopy(client)):
            assert value._session._headers["api-key"].reveal() == KEY
            assert KEY not in repr(vars(value)) + repr(connection) + json.dumps(vars(connection), default=repr)
        plain = Connection(headers={"OpenAI-Project": "p"})
        assert pickle.loads(pickle.dumps(plain)) == plain

    def test_headers_with_credentials_are_sent_home_and_hidden(self, wire_server: Any) -> None:
        session = Session("http://127.0.0.1:1", headers={"api-key": KEY, "X-Plain": "shown"})
        assert KEY not in repr(vars(session))
        for name, value in (("a b", "x"), ("X", "a\r\nY: b"), ("X", ""), ("X", "ü"), ("", "x")):
            with pytest.raises(ValueError, match="header"):
                Session("http://127.0.0.1:1", headers={name: value})
        other = wire_server(lambda connection, _: connection.sendall(http(200, BODY)))
        home = wire_server(lambda connection, _: connection.sendall(http(307, b"", f"Location: {other.url}/")))
        assert post(home.url, headers={"api-key": KEY, "Cookie": f"a={KEY}"}) == RIGHT
        assert KEY.encode() in home.requests[0]
        assert KEY.encode() not in other.requests[0]
