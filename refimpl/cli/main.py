"""The command line's root: collects the commands and turns known errors into one sentence and exit status 1 or 2."""

import sys

from refimpl.cli.app import app


def main() -> None:
    """Run `refimpl`; an error that a user can mend is printed as one sentence, without a traceback."""
    from refimpl.cli import check, encoder, explain, models, report, retrieval, serve, vectors  # noqa: F401  each registers its commands on `app`

    try:
        app()
    except (ValueError, TypeError, OSError, LookupError, ImportError) as error:
        print(f"refimpl: {error}", file=sys.stderr)
        sys.exit(1)
