"""`refimpl models` on the command line."""

import re

import pytest
from hub_imitation import Hub
from model_shell import Shell, error_line, write_model


def test_the_command_line_lists_fetches_verifies_and_locates(shell: Shell, hub: Hub) -> None:
    shell.env["COLUMNS"] = "160"
    assert re.search(r"toy +│ no +│ owner/toy", shell.run("list").stdout)
    assert "toy is not in the cache: run `refimpl models fetch toy`" in error_line(shell.run("verify", "toy"))
    assert shell.run("fetch", "toy").stdout == f"{shell.models / 'toy'}\n"
    assert re.search(r"toy +│ yes +│ owner/toy", shell.run("list").stdout)
    assert shell.run("verify", "toy").stdout == f"{shell.models / 'toy'}: 3 files, all as published\n"
    (shell.models / "toy/config.json").write_text("[]")
    assert "run `refimpl models fetch toy --force`" in error_line(shell.run("verify", "toy"))
    assert shell.run("fetch", "toy", "--force").returncode == 0
    assert shell.run("path", "toy").stdout == f"{shell.models / 'toy'}\n"


def test_the_command_line_verifies_another_directory(shell: Shell) -> None:
    folder = write_model(shell.home / "mine" / "toy")
    for directory in (folder, folder.parent):
        done = shell.run("verify", "toy", "--directory", str(directory))
        assert done.stdout == f"{folder}: 3 files, all as published\n", done.stderr
    assert "mine/none: it is not a folder" in error_line(
        shell.run("verify", "toy", "--directory", str(shell.home / "mine/none"))
    )


@pytest.mark.parametrize("command", ["fetch", "verify"])
def test_an_unregistered_name_is_a_usage_error_that_lists_the_models(shell: Shell, command: str) -> None:
    done = shell.run(command, "mistyped")
    assert done.returncode == 2
    assert "all-MiniLM-L6-v2" in done.stderr
    assert "Traceback" not in done.stderr
