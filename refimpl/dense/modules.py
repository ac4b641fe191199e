"""The modules of a sentence-transformers folder for dense vectors: modules.json and the folders that it lists.

An unsupported module, pooling mode or activation is an error that names it.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from jaxtyping import Float, Int

from refimpl.bert.files import WeightsError, read_json
from refimpl.bert.heads import l2_normalize
from refimpl.bert.pooling import pool
from refimpl.bert.routes import TASKS, by_task, one_list
from refimpl.bert.sentence_files import (
    LENGTHS,
    Module,
    check_files,
    positive,
    read_prompts,
    sentence_settings,
    transformer_settings,
)
from refimpl.bert.steps import (
    AFTER_POOLING,
    BEFORE_POOLING,
    Step,
    encoder_width,
    read_pooling,
    read_steps,
)
from refimpl.bert.steps import (
    LEGACY_MODES as LEGACY_MODES,
)
from refimpl.common.types import Array
from refimpl.dense.static_embedding import static_width

STATIC = "StaticEmbedding"
KIND = "SentenceTransformer"


@dataclass(frozen=True)
class Modules:
    """A sentence-transformers folder: the encoder's folder, the pooling modes, and the steps on vectors."""

    transformer: Path
    lowercase: bool
    pooling: tuple[str, ...]
    """Modes of the pooling; () for a StaticEmbedding, which has vectors of texts."""
    include_prompt: bool
    dim: int
    steps: tuple[Step, ...]
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    truncate_dim: int | None = None
    """Leading features of a vector to keep; None keeps all."""
    lengths: dict[str, int | None] = field(default_factory=dict)
    """Tokens per text of the tasks query and document, where they differ from those of other texts."""
    token_steps: tuple[Step, ...] = ()
    """The steps on the vectors of tokens, before pooling."""

    @property
    def is_static(self) -> bool:
        """Whether `transformer` is the folder of a StaticEmbedding, not of an encoder."""
        return not self.pooling

    @property
    def vector_dim(self) -> int:
        """Dimensions of a vector, after truncation."""
        return min(self.dim, self.truncate_dim or self.dim)

    @property
    def unnormalized(self) -> "Modules":
        """These modules without Normalize at the end, unless it precedes a truncation."""
        normalized = self.steps[-1:] == (l2_normalize,) and self.vector_dim == self.dim
        return replace(self, steps=self.steps[:-1]) if normalized else self

    def vectors(
        self, states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"], prompt_tokens: int = 0
    ) -> Float[Array, "texts dim"]:
        """Return the vector of each text from its hidden states, truncated to `vector_dim` at the end."""
        for step in self.token_steps:
            states = step(states)
        return self.finished(pool(states, lengths, self.pooling, 0 if self.include_prompt else prompt_tokens))

    def finished(self, pooled: Float[Array, "texts pooled"]) -> Float[Array, "texts dim"]:
        """Return pooled vectors after the steps, truncated to `vector_dim`."""
        for step in self.steps:
            pooled = step(pooled)
        return pooled[:, : self.vector_dim]

    def prompt(self, name: str | None) -> str:
        """Return the prompt of this name, for None the default one ("" if there is none).

        Raises ValueError for a name that the folder does not have.
        """
        name = self.default_prompt if name is None else name
        if name is not None and name not in self.prompts:
            names = ", ".join(self.prompts) or "none"
            raise ValueError(f"expected the name of one of the model's prompts ({names}), got {name!r}")
        return "" if name is None else self.prompts[name]


def read_modules(folder: Path) -> Modules:
    """Read the modules of `folder`.

    Without modules.json they are an encoder and mean pooling, or last-token pooling for a causal language model, and
    the settings of sentence-transformers have no effect, as in that library.

    Raises WeightsError, which names the file, for anything invalid or unsupported, a Router with other modules for
    queries than for documents and a StaticEmbedding included; and FileNotFoundError for a missing file.
    """
    listed = one_list(folder) if (folder / "modules.json").is_file() else None
    modules = _modules(folder, listed)
    if modules.is_static:
        raise WeightsError(
            f"{folder / 'modules.json'}: expected a Transformer, got a StaticEmbedding: use "
            "SentenceTransformerEmbeddingFunction"
        )
    return modules


def read_routes(folder: Path) -> dict[str | None, Modules]:
    """Read the modules of `folder` for each task that has a route; tasks with the same modules share one object.

    The tasks are "query", "document" and None, texts without a task. Raises as `read_modules`, and RouteError if no
    task has a route.
    """
    if not (folder / "modules.json").is_file():
        return dict.fromkeys(TASKS, _modules(folder, None))
    return by_task(folder, lambda listed: _modules(folder, listed))


def _modules(folder: Path, listed: list[Module] | None) -> Modules:
    settings = sentence_settings(folder, KIND)
    truncate_dim = positive(folder / "config_sentence_transformers.json", settings, "truncate_dim")
    prompts = (*read_prompts(folder, settings), truncate_dim)
    if listed is None:
        check_files(folder)
        width = encoder_width(folder)
        return Modules(folder, False, _default_pooling(folder), True, width, (), *prompts)
    kinds = [kind for kind, _ in listed]
    first = listed[0][1] if listed else folder
    if kinds[:1] == [STATIC]:
        _check_after(folder, kinds[1:], STATIC)
        dim, steps = read_steps(listed[1:], static_width(first), AFTER_POOLING)
        return Modules(first, False, (), True, dim, steps, *prompts)
    at = _pooling_index(folder, kinds)
    of_transformer = transformer_settings(first, KIND)
    width, token_steps = read_steps(listed[1:at], encoder_width(first), BEFORE_POOLING)
    pooling, include_prompt = read_pooling(listed[at][1], width)
    dim, steps = read_steps(listed[at + 1 :], width * len(pooling), AFTER_POOLING)
    lowercase = of_transformer.get("do_lower_case", False)
    lengths = {task: of_transformer.get(key) for task, key in LENGTHS.items()}
    return Modules(first, lowercase, pooling, include_prompt, dim, steps, *prompts, lengths, token_steps)


def _default_pooling(folder: Path) -> tuple[str, ...]:
    """The pooling of a folder without modules.json."""
    config = read_json(folder / "config.json")
    architectures = config.get("architectures") or [""]
    causal = str(architectures[0]).endswith("ForCausalLM") and config.get("is_causal", True)
    return ("lasttoken",) if causal else ("mean",)


def _pooling_index(folder: Path, kinds: list[str]) -> int:
    """Return the index of Pooling: Transformer, any of `BEFORE_POOLING`, Pooling, then any of `AFTER_POOLING`."""
    at = kinds.index("Pooling") if "Pooling" in kinds else 0
    if kinds[:1] != ["Transformer"] or not at or any(kind not in BEFORE_POOLING for kind in kinds[1:at]):
        expected, names = f"Transformer, Pooling, then {', '.join(AFTER_POOLING)}", ", ".join(kinds) or "nothing"
        raise WeightsError(f"{folder / 'modules.json'}: expected {expected}, got {names}")
    _check_after(folder, kinds[at + 1 :], "Pooling")
    return at


def _check_after(folder: Path, kinds: list[str], first: str) -> None:
    if unsupported := [kind for kind in kinds if kind not in AFTER_POOLING]:
        after = ", ".join(AFTER_POOLING)
        raise WeightsError(f"{folder / 'modules.json'}: expected {after} after {first}, got {', '.join(unsupported)}")
