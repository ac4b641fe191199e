"""The site's own machinery; `make docs` builds it strictly, links and anchors checked, in CI."""

import importlib

import pytest

import refimpl
from docs.hooks import reference, sealed


def test_the_reference_has_every_public_name():
    listed = {module for modules in reference.rooms().values() for module in modules}
    homes = {importlib.import_module(room) for room in refimpl._ROOMS.values()}
    owners = {getattr(home, name).__module__ for home in homes for name in refimpl.__all__ if hasattr(home, name)}
    assert owners <= listed
    assert "refimpl.bert.ops" in listed
    assert not [module for module in listed if ".cli" in module or module.endswith("__init__")]


@pytest.mark.parametrize(
    ("page", "fetched"),
    [
        ('<script src="https://cdn.example/x.js"></script>', ["https://cdn.example/x.js"]),
        ('<link rel="stylesheet" href="//fonts.example/css">', ["//fonts.example/css"]),
        ('<img src="http://pictures.example/a.png">', ["http://pictures.example/a.png"]),
        ('<a href="https://example.org">a link is only followed</a><img src="data:image/png;base64,xx">', []),
        ('<link rel="canonical" href="https://example.org"><script src="assets/x.js"></script>', []),
    ],
)
def test_requests_to_elsewhere_are_found(page, fetched):
    assert sealed.elsewhere(page) == fetched


def test_the_build_fails_on_one(tmp_path):
    from mkdocs.exceptions import PluginError

    (tmp_path / "a.html").write_text('<script src="https://cdn.example/x.js"></script>')
    with pytest.raises(PluginError, match=r"a\.html fetches https://cdn\.example/x\.js"):
        sealed.on_post_build({"site_dir": str(tmp_path)})
