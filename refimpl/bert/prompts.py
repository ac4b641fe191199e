"""Prompts by name: what sentence-transformers applies to queries and documents, and pymilvus.model does not.

`encode_query` and `encode_document` of sentence-transformers prepend the prompts named query and document, and truncate
at `query_length` and `document_length`. `encode_queries` and `encode_documents` of pymilvus.model call `encode`: the
default prompt, if the model has one.
"""

import warnings
from collections.abc import Mapping

METHODS = {"query": "encode_queries", "document": "encode_documents"}


class PromptWarning(UserWarning):
    """The model has a prompt or a length for queries or documents that the called method does not apply."""


class UnappliedSettings:
    """The settings of the tasks query and document that pymilvus.model's methods do not apply; each warns once.

    Parameters
    ----------
    prompts
        The model's prompts by name.
    applied
        The prompt that is applied, by task.
    lengths
        Tokens per text by task; None where the task has no length of its own.
    named
        The tasks for which the caller named a prompt: they do not warn.
    function
        The class whose `encode_query` and `encode_document` apply these settings.
    """

    def __init__(
        self,
        prompts: Mapping[str, str],
        applied: Mapping[str, str],
        lengths: Mapping[str, int | None],
        named: tuple[str, ...] = (),
        function: str = "SentenceTransformerEmbeddingFunction",
    ) -> None:
        self._function = function
        unapplied = {
            task: [
                *([f"prompt {prompts[task]!r}"] if prompts.get(task, "") not in ("", applied[task]) else []),
                *([f"length of {length} tokens"] if (length := lengths.get(task)) is not None else []),
            ]
            for task in METHODS
            if task not in named
        }
        self._unapplied = {task: settings for task, settings in unapplied.items() if settings}

    def warn(self, task: str, stacklevel: int = 3) -> None:
        """Emit a PromptWarning at the first call for a task with settings that are not applied."""
        if settings := self._unapplied.pop(task, None):
            warnings.warn(
                f"{METHODS[task]} does not apply the model's {task} {' and '.join(settings)}, as pymilvus.model does "
                f"not: call encode_{task} of {self._function}, as sentence-transformers computes it",
                PromptWarning,
                stacklevel=stacklevel,
            )
