"""Writes tests/dense/onnx: a small ALBERT as torch exports it, its tokenizer, and onnxruntime's hidden states."""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "helpers"))

import seeded  # noqa: E402

TOKENS = [[2, 5, 6, 7, 40, 3], [2, 9, 3, 0, 0, 0]]


def export(folder: Path, kind: str, **options: object) -> None:
    """config.json, tokenizer and model.onnx of a small encoder, by torch's exporter."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    model = seeded.torch_model(kind).float()
    model.config.save_pretrained(folder)
    seeded.tokenizer(folder, seeded.family_of(kind))

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: object, attention_mask: object, token_type_ids: object) -> object:
            more = {"token_type_ids": token_type_ids} if kind in ("bert", "albert") else {}
            return self.model(input_ids=input_ids, attention_mask=attention_mask, **more).last_hidden_state

    names = ["input_ids", "attention_mask", "token_type_ids"]
    ids = torch.tensor(TOKENS)
    axes = {name: {0: "batch", 1: "sequence"} for name in [*names, "last_hidden_state"]}
    given = (ids, (ids > 0).long(), torch.zeros_like(ids))
    torch.onnx.export(
        Encoder().eval(),
        given,
        folder / "model.onnx",
        input_names=names,
        output_names=["last_hidden_state"],
        **{"dynamic_axes": axes, "dynamo": False, **options},
    )


def main() -> None:
    import onnxruntime

    folder = ROOT / "tests" / "dense" / "onnx"
    export(folder, "albert")
    ids = np.array(TOKENS)
    inputs = {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64), "token_type_ids": 0 * ids}
    (states,) = onnxruntime.InferenceSession(folder / "model.onnx").run(None, inputs)
    np.save(folder / "states.npy", states)


if __name__ == "__main__":
    main()
