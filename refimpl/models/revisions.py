"""Commits of hub repositories outside the table: resolved once, recorded in the cache, and loaded from then on."""

import json
import logging
import re
from pathlib import Path

from refimpl.common.atomic import check_output, write_atomically
from refimpl.common.json_reader import JsonError, read_json
from refimpl.common.resources import cache_dir

log = logging.getLogger(__name__)
COMMIT = re.compile(r"[0-9a-f]{40}")


def file() -> Path:
    """Return the path of the record: JSON, `{name: commit}`, where a name is `owner/name` or `owner/name@branch`."""
    return cache_dir() / "hub-revisions.json"


def split(name: str) -> tuple[str, str | None]:
    """Return repository and revision of `owner/name@revision`; the revision is None where there is none."""
    repo, at, revision = name.partition("@")
    return repo, revision if at else None


def recorded(name: str) -> str | None:
    """Return the commit that `name` is, or was recorded with; None for a name that was not used yet."""
    revision = split(name)[1]
    if revision is not None and COMMIT.fullmatch(revision):
        return revision
    commit = _read().get(name)
    return commit if isinstance(commit, str) and COMMIT.fullmatch(commit) else None


def record(name: str, commit: str) -> None:
    """Record the commit of `name`; where the cache cannot be written, it is logged and resolved again next time."""
    from filelock import FileLock

    if not COMMIT.fullmatch(commit) or commit == split(name)[1]:
        return
    log.info("%s is %s from now on; `refimpl models fetch %s --force` renews it", name, commit, name)
    try:
        check_output(file())
        with FileLock(f"{file()}.lock"):
            write_atomically(file(), json.dumps({**_read(), name: commit}, indent=1, sort_keys=True) + "\n")
    except OSError as error:
        log.warning("the commit of %s, %s, cannot be recorded: %s", name, commit, error)


def _read() -> dict[str, object]:
    try:
        content = read_json(file())
    except FileNotFoundError:
        return {}
    except (OSError, JsonError) as error:
        log.warning("%s is damaged and ignored (%s)", file(), error)
        return {}
    return content if isinstance(content, dict) else {}
