"""Coverage-guided fuzzing of torch files: a pickle in an archive with correct CRCs, or an archive; see fuzzing.py."""

import sys
import tempfile
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

with atheris.instrument_imports(include=["refimpl.bert.torch_files", "pickletools", "zipfile"]):
    from refimpl.bert.files import WeightsError
    from refimpl.bert.torch_files import map_torch

from attack_damage import PICKLED, torch_archive  # noqa: E402
from fuzzing import fuzz  # noqa: E402

FILE = Path(tempfile.mkdtemp()) / "fuzzed"


def read(data: bytes) -> None:
    """The first byte chooses: a description with correct CRCs, or a whole archive."""
    FILE.write_bytes(torch_archive(data[1:]) if data[:1] == b"p" else data[1:])
    assert all(tensor.nbytes <= len(data) + 24 for tensor in map_torch(FILE).values())


fuzz(read, WeightsError, "fuzzed", [b"p" + PICKLED, b"z" + torch_archive()])
