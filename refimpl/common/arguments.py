"""Validation of constructor arguments that exist because pymilvus.model has them."""

from collections.abc import Mapping
from typing import Any


def check_device(device: object, name: str = "device") -> None:
    """Raise ValueError unless `device` is "cpu", "" or None, a torch.device of that kind, or a list of these.

    The parameter exists because pymilvus.model has it: every spelling of the CPU is accepted, and nothing else.
    """
    devices = device if isinstance(device, list | tuple) else [device]
    if not all(each is None or str(each) in ("", "cpu") for each in devices):
        raise ValueError(f"{name} must be 'cpu', got {device!r}: refimpl computes in numpy on the CPU, leave it out")


def refuse_keywords(owner: object, keywords: Mapping[str, Any], reasons: Mapping[str, str] | None = None) -> None:
    """Raise TypeError for the first of `keywords` that a class does not support.

    Parameters
    ----------
    owner
        The instance whose constructor got the keywords.
    keywords
        The rest of its `**kwargs`, which pymilvus.model passes on to another library.
    reasons
        For each keyword of that library, why it has no effect here. Such a keyword is accepted where its value, None
        or False, requests nothing.

    Raises
    ------
    TypeError
        With the class, the keyword, its value and the reason.
    """
    reasons = reasons or {}
    for name, value in keywords.items():
        if name in reasons and (value is None or value is False):
            continue
        reason = reasons.get(name, "it has no effect here")
        raise TypeError(f"{type(owner).__name__} does not support {name}={value!r:.40}: {reason}, leave it out")
