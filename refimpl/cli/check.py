"""`refimpl check`: an implementation held against the golden vectors, from anywhere."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from refimpl.cli.app import app

if TYPE_CHECKING:
    from refimpl.oracle.outcome import Check
    from refimpl.oracle.subjects.base import Subject
    from refimpl.oracle.suites.base import Settings


@dataclass(frozen=True)
class Whom:
    """The subject as the command line names it: exactly one of the four is given."""

    function: str | None
    url: str | None
    command: str | None
    vectors: Path | None


@app.command()
def check(
    function: Annotated[str | None, typer.Argument(metavar="[MODULE:ATTRIBUTE]", help="A Python callable.")] = None,
    url: Annotated[str | None, typer.Option(help="An HTTP endpoint; needs --protocol.")] = None,
    protocol: Annotated[str, typer.Option(help="tei, openai, jina, cohere, voyage or llamacpp.")] = "openai",
    command: Annotated[str | None, typer.Option(help="A command: JSON lines in, JSON lines out.")] = None,
    vectors: Annotated[Path | None, typer.Option(help="A file of answers: .npy, .safetensors or .jsonl.")] = None,
    emit_inputs: Annotated[Path | None, typer.Option(help="Write a suite's inputs as JSON lines, and stop.")] = None,
    suite: Annotated[list[str] | None, typer.Option(help="May be repeated; all for every one.")] = None,
    case: Annotated[list[str] | None, typer.Option(help="Only cases of this name; * matches any letters.")] = None,
    tolerance: Annotated[str, typer.Option(help="float32, float16, int8 or quantised-ranking.")] = "float32",
    bm25_variant: Annotated[str, typer.Option(help="Which BM25 the subject claims to be.")] = "pymilvus",
    diagnose: Annotated[bool, typer.Option(help="Look for the cause of what departs.")] = True,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the outcome.")] = None,
    junit_xml: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it for a CI server.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it as a page.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for one call or one run of the command.")] = 300.0,
    model_name: Annotated[str, typer.Option(help="The name that requests send as model.")] = "all-MiniLM-L6-v2",
    api_key: Annotated[
        str | None, typer.Option(envvar="REFIMPL_CHECK_KEY", show_envvar=True, help="Sent as Bearer.")
    ] = None,
    allow_http: Annotated[bool, typer.Option("--allow-http", help="Allow http:// to another machine.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List passed cases too.")] = False,
    list_cases: Annotated[bool, typer.Option("--list", help="List suites, forms and cases, and stop.")] = False,
) -> None:
    """Hold an implementation against the golden vectors; exit status 1 when it departs, 2 for a wrong command line."""
    from refimpl.cli import check_output

    settings, suites = _settings(tolerance, bm25_variant, diagnose, suite)
    if list_cases:
        return check_output.list_suites(suites, settings)
    if emit_inputs is not None:
        return _emit(emit_inputs, suites, settings)
    whom = Whom(function, url, command, vectors)
    _check_one(whom, suites)
    endpoint = {"protocol": protocol, "model": model_name, "key": api_key, "allow_http": allow_http}
    outcome = _outcome(lambda: _subject(whom, timeout, endpoint), suites, settings, case or [])
    check_output.show(outcome, verbose)
    check_output.write(outcome, json_file, junit_xml, html)
    raise typer.Exit(0 if outcome.ok else 1)


def _settings(tolerance: str, variant: str, diagnose: bool, asked: list[str] | None) -> "tuple[Settings, list[str]]":
    from refimpl.oracle import tolerance as tolerances
    from refimpl.oracle.suites import SUITES
    from refimpl.oracle.suites.base import Settings

    names = list(SUITES) if asked and "all" in asked else list(dict.fromkeys(asked or ["encoder"]))
    if unknown := [name for name in names if name not in SUITES]:
        raise typer.BadParameter(f"--suite must be one of {', '.join(SUITES)} or all; got {unknown[0]!r}")
    try:
        settings = Settings(tolerances.named(tolerance), variant, diagnose)
        for name in names:
            SUITES[name].inputs(settings)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return settings, names


def _check_one(whom: Whom, suites: list[str]) -> None:
    given = [value for value in (whom.function, whom.url, whom.command, whom.vectors) if value is not None]
    if len(given) != 1:
        said = f"got {len(given)}" if given else "got none"
        raise typer.BadParameter(f"name one subject: MODULE:ATTRIBUTE, --url, --command or --vectors; {said}")
    if whom.vectors is not None and len(suites) != 1:
        raise typer.BadParameter("a file answers one suite: give one --suite")


def _subject(whom: Whom, timeout_s: float, endpoint: dict[str, Any]) -> "Subject":
    if whom.function is not None:
        from refimpl.oracle.subjects.python import load

        return load(whom.function, timeout_s)
    if whom.command is not None:
        from refimpl.oracle.subjects.command import CommandSubject

        return CommandSubject(whom.command, timeout_s)
    if whom.vectors is not None:
        from refimpl.oracle.subjects.files import FileSubject

        return FileSubject(whom.vectors)
    from refimpl.oracle.subjects.endpoint import EndpointSubject

    assert whom.url is not None
    return EndpointSubject(whom.url, timeout_s=timeout_s, **endpoint)


def _outcome(make: Callable[[], "Subject"], suites: list[str], settings: "Settings", patterns: list[str]) -> "Check":
    from rich.console import Console

    from refimpl.oracle.check import check as run
    from refimpl.oracle.subjects.base import AnswerError, SubjectError

    console = Console(stderr=True)
    try:
        subject = make()
        with console.status("asking") as status:
            return run(subject, suites, settings, patterns, progress=status.update)
    except (SubjectError, AnswerError, ValueError) as error:
        print(f"refimpl check: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


def _emit(file: Path, suites: list[str], settings: "Settings") -> None:
    from refimpl.oracle.suites import SUITES

    if len(suites) != 1:
        raise typer.BadParameter("a file holds one suite's inputs: give one --suite")
    inputs = SUITES[suites[0]].inputs(settings)
    file.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in inputs.values()), encoding="utf-8")
    print(f"{file}: {len(inputs)} inputs of the suite {suites[0]}, one JSON value a line; {SUITES[suites[0]].form}")
