"""Posts JSON for a target: an error of HTTP becomes the target's."""

from collections.abc import Callable
from typing import Any

from refimpl.check.targets.base import AnswerError, RefusedError, TargetError, TargetTimeoutError
from refimpl.http import BadRequestError, DeadlineError, ProtocolError, RemoteError, Session


def post(session: Session, path: str, body: Any, read: Callable[[Any], Any] = lambda answer: answer) -> Any:
    """`read` of the response; RefusedError for 4xx, AnswerError for another form, TargetError for no response.

    A deadline that passes is a TargetTimeoutError.
    """
    try:
        return session.post(path, body, read=read)
    except BadRequestError as error:
        raise RefusedError(str(error)) from error
    except ProtocolError as error:
        raise AnswerError(str(error)) from error
    except DeadlineError as error:
        raise TargetTimeoutError(str(error)) from error
    except RemoteError as error:
        raise TargetError(str(error)) from error
