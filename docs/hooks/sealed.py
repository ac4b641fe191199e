"""No page may request anything from elsewhere when it is opened: the build fails, and names page and address."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

FETCHED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "link": "href",
}
ONLY_NAMED = {"canonical", "alternate", "next", "prev", "author", "license"}  # links that no browser fetches


class Fetched(HTMLParser):
    """The addresses that a browser fetches when it opens the page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what the tag fetches."""
        named = dict(attrs)
        if tag == "link" and named.get("rel") in ONLY_NAMED:
            return
        if address := named.get(FETCHED.get(tag, "")):
            self.addresses.append(address)


def elsewhere(page: str) -> list[str]:
    """The addresses outside the site that a page fetches."""
    parser = Fetched()
    parser.feed(page)
    return [address for address in parser.addresses if address.startswith(("http:", "https:", "//"))]


def on_post_build(config: Any) -> None:
    """Look through every page and style sheet that was written."""
    site = Path(config["site_dir"])
    faults = [
        f"{page.relative_to(site)} fetches {address}"
        for page in site.rglob("*.html")
        for address in elsewhere(page.read_text("utf-8"))
    ]
    faults += [
        f"{sheet.relative_to(site)} fetches from elsewhere"
        for sheet in site.rglob("*.css")
        if any(start in sheet.read_text("utf-8") for start in ("url(http", "url(//", "@import"))
    ]
    if faults:
        raise PluginError("the site must open without a network: " + "; ".join(faults))
