"""Milvus' bulk import of a folder of shards that was copied to the object storage of a server.

A server reads the files itself, on several nodes, and builds segments from them without its write-ahead log. Milvus
Lite has no bulk import. The requests are those of Milvus' REST API, version 2: `jobs/import/create` and
`jobs/import/describe`.
"""

import time
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from refimpl.http import ProtocolError, Session
from refimpl.search.milvus_uri import MilvusError
from refimpl.shards import verify

CREATE = "/v2/vectordb/jobs/import/create"
DESCRIBE = "/v2/vectordb/jobs/import/describe"
FILES = 1000  # of one job: Milvus' default limit is 1,024


def bulk_import(
    folder: Path,
    collection: str,
    uri: str,
    *,
    token: str | None = None,
    prefix: str = "",
    timeout_s: float = 24 * 3600.0,
    poll_s: float = 5.0,
    advance: Callable[[int], None] = lambda n: None,
) -> int:
    """Import all shards of a complete folder into an existing collection, and return the number of documents.

    Parameters
    ----------
    folder
        The local folder; its files are compared with the manifest, and their names are those in the bucket.
    collection
        The collection, with the fields `id`, `text` and those of the shards; `MilvusStore` creates one. An import does
        not look for ids that are present: the collection must have none of these documents.
    uri, token
        The server's address, http or https, and user:password or an API key.
    prefix
        The folder in the server's bucket that the files were copied to, for example by `mc cp --recursive`.
    timeout_s, poll_s
        Bound of the whole import, and the time between two questions for its progress.
    advance
        Called with the numbers of documents of finished jobs.

    Raises
    ------
    MilvusError
        Where the server refuses or fails a job, with its reason, or imports another number of documents.
    ShardError
        Where the folder is not complete, or a file differs from the manifest.
    TimeoutError
        After `timeout_s`; the server continues.
    RemoteError
        Where the server cannot be reached.
    """
    entries = iter(verify(folder).shards)
    session = Session(uri, token, allow_http=True)
    deadline = time.monotonic() + timeout_s
    imported = 0
    while batch := list(islice(entries, FILES)):
        files = [[f"{prefix.rstrip('/')}/{entry.file}".lstrip("/")] for entry in batch]
        job = str(_call(session, CREATE, {"collectionName": collection, "files": files}).get("jobId"))
        rows = _finished(session, job, deadline, poll_s)
        expected = sum(entry.rows for entry in batch)
        if rows != expected:
            raise MilvusError(f"import job {job}: expected {expected} documents, got {rows}: drop the collection")
        imported += rows
        advance(rows)
    return imported


def _finished(session: Session, job: str, deadline: float, poll_s: float) -> int:
    """The number of documents of a job, when it is completed."""
    while True:
        progress = _call(session, DESCRIBE, {"jobId": job})
        if progress.get("state") == "Failed":
            raise MilvusError(f"import job {job} failed: {progress.get('reason') or 'no reason given'}")
        if progress.get("state") == "Completed":
            return int(progress.get("importedRows", progress.get("totalRows", 0)))
        if time.monotonic() + poll_s > deadline:
            raise TimeoutError(f"import job {job} is at {progress.get('progress')}%: the server continues")
        time.sleep(poll_s)


def _call(session: Session, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `data` of the answer; MilvusError for a code that is not 0."""

    def read(answer: Any) -> Mapping[str, Any]:
        if not isinstance(answer, dict) or not isinstance(answer.get("code"), int):
            raise ProtocolError(f"expected an object with a code from {path}, got {answer!r:.100}")
        if answer["code"] not in (0, 200):
            raise MilvusError(f"Milvus refused {path}: {answer.get('message', 'no reason given')}")
        data = answer.get("data")
        if not isinstance(data, dict):
            raise ProtocolError(f"expected data from {path}, got {data!r:.100}")
        return data

    return session.post(path, body, read=read)
