"""What `pytest` means here: the tests alone; with `--benchmark`, the suites under bench/."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--benchmark", action="store_true", help="run the benchmark suites under bench/ instead of the tests"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--benchmark"):
        if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
            config.args = ["bench"]
    else:
        _check_shapes_while_testing()


def _check_shapes_while_testing() -> None:
    from jaxtyping import install_import_hook

    install_import_hook("refimpl", "beartype.beartype")
