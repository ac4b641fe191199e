"""`refimpl check`: compare an implementation in any language with the golden vectors."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refimpl.cli.app import app
from refimpl.common.atomic import write_atomically
from refimpl.common.texts import visible

if TYPE_CHECKING:
    from refimpl.check.result import CheckResult
    from refimpl.check.suites.base import Settings
    from refimpl.check.targets.base import Target
    from refimpl.http import Secret

ApiKey = Annotated[str | None, typer.Option(envvar="REFIMPL_CHECK_KEY", show_envvar=True, help="Sent as Bearer.")]


@dataclass(frozen=True)
class TargetOptions:
    """The options that name a target; exactly one of the first four must be set."""

    function: str | None
    url: str | None
    command: str | None
    vectors: Path | None
    protocol: str
    model: str
    key: "Secret | None"
    timeout_s: float
    allow_http: bool


@app.command()
def check(
    function: Annotated[str | None, typer.Argument(metavar="[MODULE:ATTRIBUTE]", help="A Python callable.")] = None,
    url: Annotated[str | None, typer.Option(help="An HTTP endpoint; needs --protocol.")] = None,
    protocol: Annotated[
        str, typer.Option(help="openai, tei, ...; a wrong name lists all; json: any suite.")
    ] = "openai",
    command: Annotated[str | None, typer.Option(help="A command: JSON lines in, JSON lines out.")] = None,
    vectors: Annotated[Path | None, typer.Option(help="Answers: .npy, .safetensors or .jsonl, a pipe, or -.")] = None,
    emit_inputs: Annotated[Path | None, typer.Option(help="Write a suite's inputs as JSON lines, and stop.")] = None,
    suite: Annotated[list[str] | None, typer.Option(help="A suite, may be repeated; or all.")] = None,
    case: Annotated[list[str] | None, typer.Option(help="Only cases with this name; * matches any text.")] = None,
    tolerance: Annotated[str, typer.Option(help="float32, float16, int8 or quantised-ranking.")] = "float32",
    bm25_variant: Annotated[str, typer.Option(help="The BM25 variant that the target implements.")] = "pymilvus",
    bm25_k1: Annotated[
        float | None, typer.Option(min=0.0, help="k1 of every BM25 case, for a target with a fixed one.")
    ] = None,
    bm25_b: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="b of every BM25 case, for a target with a fixed one.")
    ] = None,
    bm25_own_tokens: Annotated[
        bool, typer.Option("--bm25-own-tokens", help="A BM25 that answers tokens may have a tokenizer of its own.")
    ] = False,
    diagnose: Annotated[bool, typer.Option(help="Search for the cause of a mismatch.")] = True,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON.")] = None,
    junit_xml: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the results for a CI server.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the results as a page.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for one call or one run of the command.")] = 300.0,
    model_name: Annotated[str, typer.Option(help="Sent as model in requests.")] = "all-MiniLM-L6-v2",
    api_key: ApiKey = None,
    allow_http: Annotated[bool, typer.Option("--allow-http", help="Allow http:// to another machine.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List passed cases too.")] = False,
    list_cases: Annotated[bool, typer.Option("--list", help="List suites, forms and cases, and stop.")] = False,
) -> None:
    """Compare an implementation with the golden vectors; exit status 1 for a mismatch, 2 for a wrong command line."""
    from refimpl.cli import check_output

    settings, suites = _settings(tolerance, (bm25_variant, bm25_k1, bm25_b, bm25_own_tokens), diagnose, suite)
    if list_cases:
        return check_output.list_suites(suites, settings)
    if emit_inputs is not None:
        return _emit(emit_inputs, suites, settings)
    key = None if api_key is None else _hidden(api_key)
    options = TargetOptions(
        *(function, url, command, vectors), protocol, model_name, key, timeout_s=timeout, allow_http=allow_http
    )
    _require_one(options, suites)
    check_output.require_writable(json_file, junit_xml, html)
    result = _run(options, suites, settings, case or [])
    check_output.show(result, verbose)
    check_output.write(result, json_file, junit_xml, html)
    raise typer.Exit(0 if result.ok else 1)


def _settings(
    tolerance: str, bm25: tuple[str, float | None, float | None, bool], diagnose: bool, suites: list[str] | None
) -> "tuple[Settings, list[str]]":
    from refimpl.check.suites import SUITES
    from refimpl.check.suites.base import Settings
    from refimpl.compare import tolerance as tolerances

    names = list(SUITES) if suites and "all" in suites else list(dict.fromkeys(suites or ["encoder"]))
    if unknown := [name for name in names if name not in SUITES]:
        raise typer.BadParameter(f"--suite must be one of {', '.join(SUITES)} or all, got {unknown[0]!r}")
    try:
        settings = Settings(tolerances.named(tolerance), bm25[0], diagnose, *bm25[1:])
        for name in names:
            SUITES[name].inputs(settings)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return settings, names


def _hidden(api_key: str) -> "Secret":
    from refimpl.http import Secret

    return Secret(api_key)


def _require_one(options: TargetOptions, suites: list[str]) -> None:
    names = (options.function, options.url, options.command, options.vectors)
    if (count := sum(name is not None for name in names)) != 1:
        raise typer.BadParameter(f"expected one of MODULE:ATTRIBUTE, --url, --command and --vectors, got {count}")
    if options.vectors is not None and len(suites) != 1:
        raise typer.BadParameter(f"a file has the answers of one suite, got {len(suites)}: pass one --suite")


def _target(options: TargetOptions) -> "Target":
    if options.function is not None:
        from refimpl.check.targets.python import load

        return load(options.function, options.timeout_s)
    if options.command is not None:
        from refimpl.check.targets.command import CommandTarget

        return CommandTarget(options.command, options.timeout_s)
    if options.vectors is not None:
        from refimpl.check.targets.files import FileTarget

        return FileTarget(options.vectors)
    assert options.url is not None
    if options.protocol == "json":
        from refimpl.check.targets.plain import PlainTarget

        return PlainTarget(options.url, key=options.key, timeout_s=options.timeout_s, allow_http=options.allow_http)
    from refimpl.check.targets.endpoint import EndpointTarget

    return EndpointTarget(
        options.url,
        options.protocol,
        model=options.model,
        key=options.key,
        timeout_s=options.timeout_s,
        allow_http=options.allow_http,
    )


def _run(options: TargetOptions, suites: list[str], settings: "Settings", patterns: list[str]) -> "CheckResult":
    from rich.console import Console

    from refimpl.check.runner import check as run
    from refimpl.check.targets.base import AnswerError, TargetError, closing
    from refimpl.check.targets.processes import exit_at_signals

    try:
        target = _target(options)
        with exit_at_signals(), closing(target), Console(stderr=True).status("running") as status:
            return run(target, suites, settings, patterns, progress=status.update)
    except (TargetError, AnswerError, ValueError) as error:
        print(f"refimpl check: {visible(str(error))}", file=sys.stderr)
        raise typer.Exit(2) from None


def _emit(file: Path, suites: list[str], settings: "Settings") -> None:
    from refimpl.check.suites import SUITES

    if len(suites) != 1:
        raise typer.BadParameter(f"a file has the inputs of one suite, got {len(suites)}: pass one --suite")
    inputs = SUITES[suites[0]].inputs(settings)
    write_atomically(file, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in inputs.values()))
    print(f"{file}: {len(inputs)} inputs of the suite {suites[0]}, one JSON value per line; {SUITES[suites[0]].form}")
