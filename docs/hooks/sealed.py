"""Fail the build where a page would request anything from another host when it is opened; name page and address."""

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
NOT_FETCHED = {"canonical", "alternate", "next", "prev", "author", "license"}  # links that no browser fetches


class Fetched(HTMLParser):
    """Collects the addresses that a browser fetches when it opens the page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record the address that the tag fetches."""
        attributes = dict(attrs)
        if tag == "link" and attributes.get("rel") in NOT_FETCHED:
            return
        if address := attributes.get(FETCHED.get(tag, "")):
            self.addresses.append(address)


def external(page: str) -> list[str]:
    """Return the addresses on other hosts that a page fetches."""
    parser = Fetched()
    parser.feed(page)
    return [address for address in parser.addresses if address.startswith(("http:", "https:", "//"))]


def on_post_build(config: Any) -> None:
    """Check every page and style sheet of the built site."""
    site = Path(config["site_dir"])
    faults = [
        f"{page.relative_to(site)} fetches {address}"
        for page in site.rglob("*.html")
        for address in external(page.read_text("utf-8"))
    ]
    faults += [
        f"{sheet.relative_to(site)} fetches from another host"
        for sheet in site.rglob("*.css")
        if any(start in sheet.read_text("utf-8") for start in ("url(http", "url(//", "@import"))
    ]
    if faults:
        raise PluginError("the site must open without a network: " + "; ".join(faults))
