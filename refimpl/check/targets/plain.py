"""Check target: an HTTP endpoint that takes a task's JSON input and returns its JSON answer."""

from collections.abc import Sequence
from typing import Any

from refimpl.check.targets.base import ALL_TASKS, Task
from refimpl.check.targets.posting import post
from refimpl.http import Secret, Session
from refimpl.http.safety import hides


class PlainTarget:
    """POSTs each input to `url` and returns the JSON of the response, as `refimpl check --list` describes both.

    Parameters
    ----------
    url
        The address that is posted to.
    key
        Sent as Bearer.

    Raises
    ------
    ValueError
        For an address that is none.
    """

    traits = frozenset({"any_input", "many_calls", "parallel", "top_k"})

    @hides(key=Secret)
    def __init__(
        self, url: str, *, key: str | Secret | None = None, timeout_s: float = 60.0, allow_http: bool = False
    ) -> None:
        self.name = url
        self._session = Session(
            url, key, timeout_s=timeout_s, read_timeout_s=timeout_s, max_retries=1, allow_http=allow_http
        )

    def tasks(self) -> frozenset[str]:
        """All tasks: an address does not declare which one it implements."""
        return ALL_TASKS

    def run(self, task: Task, inputs: Sequence[Any]) -> list[Any]:
        """The responses, one per input; RefusedError for 4xx, AnswerError for a response that is not JSON."""
        return [post(self._session, "", one) for one in inputs]
