"""NLTK's data for the tests that compare with it, and with pymilvus.model, which uses it."""

import os

import pytest

from refimpl import models


@pytest.fixture(scope="session")
def nltk_data_path():
    import nltk

    folder = str(models.path("nltk-data"))
    os.environ["NLTK_DATA"] = folder
    nltk.data.path.insert(0, folder)
