"""Writes tests/model_folders.json: the numbers of sentence-transformers for the folders of tests/helpers.

    make peers && .venv/bin/python data/regenerate/model_folders.py

Every number is sentence-transformers' own, in float64, text by text. Nothing of refimpl is imported.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "helpers"))

import offline_folders as folders
import seeded


def methods(model, convert) -> dict[str, list]:
    """The numbers of `encode`, `encode_query` and `encode_document`."""
    named = {"encode": model.encode, "query": model.encode_query, "document": model.encode_document}
    return {
        name: [convert(method(text)).astype(np.float64).tolist() for text in folders.TEXTS]
        for name, method in named.items()
    }


def main() -> None:
    """Write the file."""
    from sentence_transformers import CrossEncoder, SentenceTransformer, SparseEncoder

    expected: dict[str, dict[str, list]] = {}
    with tempfile.TemporaryDirectory() as place, seeded.float64_throughout():
        for i, (name, write) in enumerate((folders.DENSE | folders.SPARSE | folders.PAIRS).items()):
            folder = str(write(Path(place) / str(i)))
            if name in folders.DENSE:
                expected[name] = methods(SentenceTransformer(folder, device="cpu").double(), np.asarray)
            elif name in folders.SPARSE:
                model = SparseEncoder(folder, device="cpu").double()
                expected[name] = methods(model, lambda row: row.to_dense().numpy())
            else:
                scorer = CrossEncoder(folder, device="cpu").double()
                scores = [scorer.predict((folders.QUERY, text), convert_to_tensor=True) for text in folders.TEXTS]
                expected[name] = {"predict": [float(score) for score in scores]}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(values)}" for name, values in expected.items())
    folders.EXPECTED.write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
