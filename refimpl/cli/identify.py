"""`refimpl identify`: measure what an implementation computes."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refimpl.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Callable

    from refimpl.check.targets.base import Target
    from refimpl.identify import Identification

KINDS = ("bm25", "metrics", "fusion", "embed", "rerank")
ApiKey = Annotated[str | None, typer.Option(envvar="REFIMPL_CHECK_KEY", show_envvar=True, help="Sent as Bearer.")]


@app.command()
def identify(
    function: Annotated[
        str | None,
        typer.Argument(metavar="[MODULE:ATTRIBUTE]", help="A Python callable; the input's keys are keywords."),
    ] = None,
    what: Annotated[str, typer.Option(help="bm25, metrics, fusion, embed or rerank.")] = "bm25",
    model: Annotated[str, typer.Option(help="embed: the model that it may run, or none.")] = "all-MiniLM-L6-v2",
    command: Annotated[str | None, typer.Option(help="A command: JSON lines in, JSON lines out.")] = None,
    url: Annotated[str | None, typer.Option(help="An address that each input is posted to as JSON.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write as JSON; - prints it.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for one call or one run of the command.")] = 300.0,
    api_key: ApiKey = None,
    allow_http: Annotated[bool, typer.Option("--allow-http", help="Allow http:// to another machine.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print all factors' evidence and curves.")] = False,
) -> None:
    """Measure what a BM25, evaluator, rank fusion, encoder or reranker computes: each factor, with the evidence.

    Exit status 1 where something is not determined or confirmed, 2 for a wrong command line or a target that fails.
    """
    from rich.console import Console

    from refimpl.check.targets.base import AnswerError, TargetError, closing
    from refimpl.common.atomic import check_output

    if what not in KINDS:
        raise typer.BadParameter(f"--what must be {', '.join(KINDS[:-1])} or {KINDS[-1]}, got {what!r}")
    if (count := sum(name is not None for name in (function, command, url))) != 1:
        raise typer.BadParameter(f"expected one of MODULE:ATTRIBUTE, --command and --url, got {count}")
    if json_file is not None and json_file != Path("-"):
        check_output(json_file)
    try:
        target = _target(function, command, url, timeout, api_key, allow_http)
        with closing(target), Console(stderr=True).status("running") as status:
            found = _identified(what, target, None if model == "none" else model, status.update)
    except (TargetError, AnswerError, ValueError, FileNotFoundError) as error:
        print(f"refimpl identify: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    _show(found, json_file, verbose)
    raise typer.Exit(0 if found.confirmed else 1)


def _show(found: "Identification", json_file: Path | None, verbose: bool) -> None:
    """Print the result, or with `--json -` the JSON alone."""
    from refimpl.cli import identify_output
    from refimpl.common.atomic import write_atomically

    written = json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n"
    if json_file == Path("-"):
        print(written, end="")
        return
    identify_output.show(found, verbose)
    if json_file is not None:
        write_atomically(json_file, written)


def _identified(what: str, target: "Target", model: str | None, progress: "Callable[[str], None]") -> "Identification":
    from refimpl import identify as kinds

    if what == "bm25":
        return kinds.identify_bm25(target, progress)
    if what == "embed":
        return kinds.identify_embed(target, model, progress)
    functions = {"metrics": kinds.identify_metrics, "fusion": kinds.identify_fusion, "rerank": kinds.identify_rerank}
    return functions[what](target)


def _target(
    function: str | None, command: str | None, url: str | None, timeout: float, key: str | None, allow_http: bool
) -> "Target":
    if function is not None:
        from refimpl.check.targets.python import load

        return load(function, timeout)
    if command is not None:
        from refimpl.check.targets.command import CommandTarget

        return CommandTarget(command, timeout)
    from refimpl.check.targets.plain import PlainTarget

    assert url is not None
    return PlainTarget(url, key=key, timeout_s=timeout, allow_http=allow_http)
