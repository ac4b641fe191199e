"""What a browser on another site can ask of a server, and what its metrics say."""

from typing import Any

import pytest
from served import running_server
from strangers import BODY, get, post, samples

from refimpl.http import Secret
from refimpl.serve.engine import Engine


class TestBrowsers:
    @pytest.mark.parametrize(
        ("host", "status"),
        [
            ("localhost", 200),
            ("LOCALHOST:1", 200),
            ("127.0.0.1:8080", 200),
            ("192.0.2.1", 200),
            ("[::1]:8080", 200),
            ("embedder:8080", 200),
            ("evil.example", 421),
            ("localhost.evil.example", 421),
            ("127.0.0.1.evil.example", 421),
            ("evil.example#localhost", 421),
            ("localhost@evil.example", 421),
            ("[::1", 421),
            ("", 421),
        ],
    )
    def test_a_name_that_nobody_allowed_is_refused(self, fake: Engine, host: str, status: int) -> None:
        with running_server(fake, hosts=["Embedder"]) as (_, port):
            assert get(port, "/health", host)[0] == status
            assert get(port, "/metrics", host)[0] == status
            assert post(port, BODY, Host=host)[0] == status

    def test_any_host_where_it_is_wanted(self, fake: Engine) -> None:
        with running_server(fake, hosts=["*"]) as (_, port):
            assert get(port, "/health", "evil.example")[0] == 200

    @pytest.mark.parametrize(
        ("declared", "status"),
        [
            ("application/json", 200),
            ("Application/JSON; charset=UTF-8", 200),
            ('application/json;charset="utf-8"', 200),
            ("application/vnd.api+json", 200),
            ("application/json; charset=latin-1", 415),
            ("text/plain", 415),
            ("text/plain; application/json", 415),
            ("application/x-www-form-urlencoded", 415),
            ("multipart/form-data; boundary=json", 415),
            ("", 415),
            (None, 415),
        ],
    )
    def test_only_json_is_read(self, fake: Engine, declared: Any, status: int) -> None:
        with running_server(fake) as (_, port):
            assert post(port, BODY, Content_Type=declared)[0] == status

    def test_a_content_encoding_is_refused(self, fake: Engine) -> None:
        with running_server(fake) as (_, port):
            assert post(port, BODY, Content_Encoding="gzip")[0] == 415


class TestMetrics:
    def test_count_requests_by_route_and_status(self, fake: Engine) -> None:
        with running_server(fake) as (_, port):
            for body in (BODY, BODY, {}):
                post(port, body)
            for path in ("/a", "/b", "/health"):
                get(port, path)
            found = samples(port)
        counts = {labels: value for (name, labels), value in found.items() if name == "refimpl_requests_total"}
        assert counts == {("/rerank", "200"): 2, ("/rerank", "422"): 1, ("other", "404"): 2, ("/health", "200"): 1}
        assert found["refimpl_request_seconds_count", ("/rerank",)] == 3

    def test_need_the_key(self, fake: Engine) -> None:
        with running_server(fake, Secret("the-key")) as (_, port):
            assert get(port, "/metrics")[0] == 401
            assert samples(port, Authorization="Bearer the-key")
