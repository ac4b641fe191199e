"""A local server with the hub's API, a limited speed, and connections that break on demand."""

import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CHUNK = 16384


@dataclass
class Hub:
    """One repository, `owner/name`, and the server's behaviour."""

    repo: str
    files: dict[str, bytes]
    bytes_per_s: float = float("inf")
    cuts: int = 0  # number of downloads, longer than a chunk, that break in their middle
    silent: bool = False  # accepts connections and never answers
    requests: list[str] = field(default_factory=list)
    bytes_sent: int = 0  # of the file that went out last
    url: str = ""
    commit: str = COMMIT  # of the main branch

    def sent(self, file: str) -> int:
        """Return the number of GET requests for `file`."""
        return sum(line.startswith("GET") and line.endswith("/" + file) for line in self.requests)


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve `hub` at `hub.url` until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            hub.requests.append(f"{self.command} {self.path.partition('?')[0]}")
            if hub.silent:
                time.sleep(60)
            elif re.fullmatch(rf"/api/models/{hub.repo}(/revision/(\w+))?", self.path.partition("?")[0]):
                revision = self.path.partition("?")[0].rpartition("/revision/")[2]
                commit = revision if re.fullmatch("[0-9a-f]{40}", revision) else hub.commit
                siblings = [{"rfilename": name} for name in hub.files]
                self.json({"id": hub.repo, "modelId": hub.repo, "sha": commit, "siblings": siblings, "tags": []})
            elif self.path.startswith(f"/api/models/{hub.repo}/tree/"):
                self.json(
                    [
                        {"type": "file", "path": name, "size": len(content), "oid": etag(content)}
                        for name, content in hub.files.items()
                    ]
                )
            elif (match := re.fullmatch(rf"/{hub.repo}/resolve/\w+/(.+)", self.path)) and match[1] in hub.files:
                self.file(hub.files[match[1]])
            else:
                self.json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})

        def json(self, content: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def file(self, content: bytes) -> None:
            start = int(re.findall(r"bytes=(\d+)", self.headers.get("Range", "bytes=0"))[0])
            self.send_response(206 if start else 200)
            self.send_header("ETag", f'"{etag(content)}"')
            revision = self.path.split("/")[4]  # /owner/name/resolve/revision/file
            self.send_header("X-Repo-Commit", revision if re.fullmatch("[0-9a-f]{40}", revision) else hub.commit)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(content) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            if self.command == "GET":
                self.slowly(content[start:])

        def slowly(self, content: bytes) -> None:
            stop = len(content)
            if stop > CHUNK:
                hub.bytes_sent = 0
            if hub.cuts and stop > CHUNK:
                hub.cuts -= 1
                stop //= 2
            for begin in range(0, stop, CHUNK):
                self.wfile.write(content[begin : min(begin + CHUNK, stop)])
                hub.bytes_sent = max(hub.bytes_sent, begin)
                time.sleep(CHUNK / hub.bytes_per_s)
            if stop < len(content):
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)

        def handle(self) -> None:
            try:
                super().handle()
            except (OSError, ValueError):  # the client was killed, or the connection broken
                self.close_connection = True

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def etag(content: bytes) -> str:
    """Return a small file's ETag; on the hub it is git's blob id, of this form."""
    return hashlib.sha1(content).hexdigest()
