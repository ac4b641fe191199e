"""The address of a Milvus: a server's URI, or the path of a Milvus Lite folder, which ends in `.db`."""

import os
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

SCHEMES = {"http", "https", "tcp", "unix"}

REMEDIES = {  # by a part of Milvus' or Milvus Lite's message
    "quota exceeded": "remove files to get below the quota, or give another --out or --uri, and run again",
    "No space left": "free some disk space, or give another --out or --uri, and run again",
    "ermission denied": "give the user access to it, or another --out or --uri",
    "Read-only file system": "give a writable --out or --uri",
    "is not valid JSON": "the file is damaged, so move the .db folder away and run again",
    "permission deny": "give a --token whose user has the privilege",
}


class MilvusError(OSError):
    """Milvus refused a call or could not be reached; the message names the call and the documents."""


@dataclass(frozen=True)
class Connection:
    """URI and token of a Milvus; `None` is replaced by `resolve`. The token is "user:password" or an API key."""

    uri: str | None = None
    token: str | None = field(default=None, repr=False)

    def resolve(self, default: Path) -> tuple[str, str | None]:
        """URI and token as passed, else from MILVUS_URI and MILVUS_TOKEN, else the Lite file `default`.

        Raises ValueError for a URI that Milvus does not accept, so that a mistake is reported before hours of encoding.
        """
        uri = self.uri or os.environ.get("MILVUS_URI") or str(default)
        check_uri(uri)
        return uri, self.token or os.environ.get("MILVUS_TOKEN")


def check_uri(uri: str) -> None:
    """Raise ValueError unless `uri` is http(s)://host:port or a path that ends in `.db`.

    Raises MilvusError for such a path where Milvus Lite is not installed, as on Windows.
    """
    expected = "uri must be http(s)://host:port or a path that ends in .db"
    parts = urlsplit(uri)
    if is_lite(uri):
        if "://" in uri:
            raise ValueError(f"{expected}, got {redacted(uri)!r}, which is both: omit {parts.path!r} or the scheme")
        _check_lite_installed()
        return
    if parts.scheme not in SCHEMES:
        raise ValueError(f"{expected}, got {redacted(uri)!r}")
    if parts.scheme == "unix":
        return
    try:
        valid_port = parts.port != 0
    except ValueError:
        valid_port = False
    if not valid_port:
        raise ValueError(f"{expected}, got {redacted(uri)!r}: the port must be a number from 1 to 65535, such as 19530")
    if not parts.hostname:
        raise ValueError(f"{expected}, got {redacted(uri)!r}: give the host, such as http://127.0.0.1:19530")


def is_lite(uri: str) -> bool:
    """Whether `uri` is a Milvus Lite path."""
    return uri.endswith(".db")


def redacted(uri: str) -> str:
    """A URI without the user and password that it may contain."""
    parts = urlsplit(uri)
    return uri if "@" not in parts.netloc else uri.replace(parts.netloc, parts.netloc.rpartition("@")[2], 1)


def _check_lite_installed() -> None:
    if find_spec("milvus_lite") is None:
        install = "milvus-lite has no build for Windows" if sys.platform == "win32" else "milvus-lite is not installed"
        remedy = "run in WSL" if sys.platform == "win32" else "pip install 'refimpl[milvus]'"
        raise MilvusError(
            f"{install}, and a .db path needs it: {remedy}, or give a Milvus server by --uri http://host:19530"
        )


def remedy(reason: str) -> str:
    """The remedy of a reason that a user can remove, else an empty string."""
    return next((f": {remedy}" for part, remedy in REMEDIES.items() if part in reason), "")
