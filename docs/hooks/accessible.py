"""Names for screen readers that the theme leaves out."""

from typing import Any

from mkdocs.exceptions import PluginError

DIALOG = 'data-md-component="search" role="dialog"'


def on_post_page(output: str, **_: Any) -> str:
    """Name the dialog of the search; fails where the theme writes it in another way."""
    if DIALOG not in output:
        raise PluginError(f"the theme has no {DIALOG}: see whether its search dialog has a name now")
    return output.replace(DIALOG, f'{DIALOG} aria-label="Search"')
