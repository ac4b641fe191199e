"""Qwen3-Reranker's prompt and score against transformers' decoder, by the code of its model card."""

import numpy as np
import pytest
import seeded

from refimpl import CrossEncoderRerankFunction, Qwen3RerankFunction

QUERY, DOCUMENTS = "a red planet", ["Mars is red.", "", "the quick fox, 火星 🚀", "planet " * 60]


def folder_of(path):
    """A small Qwen3 with a byte-level vocabulary, and transformers' decoder in float64."""
    from transformers import PreTrainedTokenizerFast

    model = seeded.torch_model("qwen3", "AutoModelForCausalLM", **seeded.QWEN3_RERANKER)
    model.save_pretrained(path)
    pad, _, end, *_ = seeded.QWEN3_SPECIAL
    peer = PreTrainedTokenizerFast(tokenizer_object=seeded.qwen3_tokenizer(), pad_token=pad, eos_token=end)
    peer.save_pretrained(path)
    return model, peer


def card_scores(model, tokenizer, max_length):
    """The model card's steps, text by text."""
    import torch

    prefix = (
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct"
        ' provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
    )
    suffix = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    before, after = (tokenizer.encode(text, add_special_tokens=False) for text in (prefix, suffix))
    task = "Given a web search query, retrieve relevant passages that answer the query"
    yes, no = (tokenizer.convert_tokens_to_ids(answer) for answer in ("yes", "no"))
    scores = []
    for document in DOCUMENTS:
        body = f"<Instruct>: {task}\n<Query>: {QUERY}\n<Document>: {document}"
        ids = tokenizer(body, truncation="longest_first", max_length=max_length - len(before) - len(after))["input_ids"]
        with torch.no_grad(), seeded.float64_throughout():
            logits = model(input_ids=torch.tensor([before + ids + after])).logits[0, -1]
        scores.append(torch.nn.functional.log_softmax(torch.stack([logits[no], logits[yes]]), dim=0)[1].exp().item())
    return np.array(scores)


@pytest.mark.peer
@pytest.mark.parametrize("max_length", [8192, 420])
def test_scores_equal_the_model_cards(tmp_path, max_length):
    model, tokenizer = folder_of(tmp_path)
    theirs = card_scores(model, tokenizer, max_length)
    exact = Qwen3RerankFunction(str(tmp_path), dtype="float64", max_length=max_length)
    assert np.abs(exact.scores(QUERY, DOCUMENTS) - theirs).max() <= 1e-12
    quick = Qwen3RerankFunction(str(tmp_path), max_length=max_length)
    assert np.abs(quick.scores(QUERY, DOCUMENTS) - theirs).max() <= 1e-5
    results = exact(QUERY, DOCUMENTS, top_k=2)
    assert [result.index for result in results] == np.argsort(-theirs)[:2].tolist()
    assert exact.scores(QUERY, []).shape == (0,)
    assert theirs.std() > 1e-3


@pytest.mark.peer
def test_another_model_is_refused(tmp_path):
    folder_of(tmp_path / "qwen3")
    with pytest.raises(ValueError, match="expected a decoder, got bert"):
        Qwen3RerankFunction(str(seeded.model_folder(tmp_path / "bert", "bert")))
    with pytest.raises(ValueError, match="got no classifier"):
        CrossEncoderRerankFunction(str(tmp_path / "qwen3"))
    seeded.tokenizer(tmp_path / "qwen3")
    with pytest.raises(ValueError, match='the tokens "no" and "yes"'):
        Qwen3RerankFunction(str(tmp_path / "qwen3"))
