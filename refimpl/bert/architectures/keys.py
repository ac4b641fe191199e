"""Keys of config.json: those that no architecture's hidden states depend on, and those with one supported value.

`BertConfig.load` reads the keys of the architecture's settings, skips the ones named here, and refuses all others, so
that no setting is ignored silently.
"""

from collections.abc import Iterator
from typing import Any

from refimpl.bert.architectures.record import Architecture, Published, words

TRAINING = (
    "attention_probs_dropout_prob hidden_dropout_prob attention_dropout dropout qa_dropout seq_classif_dropout "
    "classifier_dropout classifier_dropout_prob sinusoidal_pos_embds initializer_range gradient_checkpointing "
    "problem_type tie_weights_ finetuning_task"
)
LIBRARY = (
    "_name_or_path architectures auto_map transformers_version torch_dtype dtype model_type use_cache name_or_path "
    "output_attentions output_hidden_states output_past return_dict torchscript use_bfloat16 "
    "_attn_implementation_autoset attn_implementation tokenizer_class"
)
LABELS = (
    "id2label label2id num_labels sentence_transformers task_specific_params tie_word_embeddings tie_encoder_decoder"
)
TOKENS = (
    "bos_token_id eos_token_id sep_token_id cls_token_id mask_token_id decoder_start_token_id prefix directionality"
)
GENERATION = (
    "max_length min_length do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature top_k "
    "top_p "
    "typical_p repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids "
    "num_return_sequences output_scores return_dict_in_generate forced_bos_token_id forced_eos_token_id "
    "remove_invalid_values exponential_decay_length_penalty suppress_tokens begin_suppress_tokens"
)
POOLER = "pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head pooler_type"
UNUSED = "cross_attention_hidden_size chunk_size_feed_forward tf_legacy_loss"
IRRELEVANT = words(" ".join((TRAINING, LIBRARY, LABELS, TOKENS, GENERATION, POOLER, UNUSED)))
"""Keys that do not change a hidden state: of training, of the library, of heads, of generation."""
ONLY: dict[str, tuple[Any, ...]] = {
    "position_embedding_type": ("absolute",),
    "is_decoder": (False, None),
    "is_encoder_decoder": (False, None),
    "add_cross_attention": (False, None),
    "pruned_heads": ({}, None),
    "quantization_config": (None,),
}
"""Keys with one supported meaning, and its values."""
CHECKED_ELSEWHERE = frozenset({"pad_token_id"})


def unsupported(published: Published, architecture: Architecture, honoured: set[str]) -> Iterator[str]:
    """What each key that would be ignored has and should have, one message per key."""
    only = {**ONLY, **architecture.only}
    skipped = IRRELEVANT | CHECKED_ELSEWHERE | architecture.irrelevant | architecture.derived_keys | honoured
    for key, value in published.items():
        if key in skipped and key not in architecture.only:
            continue
        if key not in only:
            yield f"{key} is {str(value)[:60]!r}, a setting that this encoder does not compute"
        elif not any(value == allowed and type(value) is type(allowed) for allowed in only[key]):
            yield f"{key} is {value!r}, and this encoder computes {' or '.join(map(repr, only[key]))}"
