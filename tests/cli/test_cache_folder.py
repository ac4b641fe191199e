"""A cache that cannot be written: the message names the setting that moves it."""

import errno
import sys
from pathlib import Path

import pytest

from refimpl import models
from refimpl.cli.main import main


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
@pytest.mark.parametrize(("place", "named"), [("", True), ("refimpl/models/x", True), ("../elsewhere", False)])
def test_the_setting_is_named_where_the_cache_is_closed(number, place, named, tmp_path: Path, monkeypatch, capsys):
    def closed(name: str) -> Path:
        raise OSError(number, "closed", str((tmp_path / "home" / place).resolve()))

    monkeypatch.delenv("REFIMPL_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(models, "path", closed)
    monkeypatch.setattr(sys, "argv", ["refimpl", "models", "path", "all-MiniLM-L6-v2"])
    with pytest.raises(SystemExit):
        main()
    assert ("set REFIMPL_CACHE" in capsys.readouterr().err) == named
