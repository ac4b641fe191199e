"""What encoders in the wild do differently, each as one knob of `EncoderVariant`, and where they have it from."""

from refimpl.oracle.diagnosis.encoder import LONGEST
from refimpl.oracle.diagnosis.knobs import Knob

TOKENS = (
    Knob(
        "no special tokens",
        "[CLS] and [SEP] are not added (add_special_tokens=False)",
        {"tokenizing": ("no special tokens",)},
    ),
    Knob("no [SEP]", "the closing [SEP] is not added", {"tokenizing": ("no [SEP]",)}),
    Knob("no [CLS]", "the opening [CLS] is not added", {"tokenizing": ("no [CLS]",)}),
    Knob(
        "special tokens twice",
        "[CLS] and [SEP] are added by hand and by the tokenizer",
        {"tokenizing": ("special tokens twice",)},
    ),
    Knob(
        "cased tokens",
        "the text is not lower-cased, nor are accents stripped (do_lower_case=False)",
        {"tokenizing": ("cased",)},
    ),
    Knob(
        "case kept",
        "the text is not lower-cased, though accents are stripped",
        {"tokenizing": ("case kept, accents stripped",)},
    ),
    Knob(
        "accents kept",
        "lower case, but accents are not stripped (strip_accents=False)",
        {"tokenizing": ("accents kept",)},
    ),
    Knob(
        "Han not split",
        "Chinese characters are not words of their own (tokenize_chinese_chars=False)",
        {"tokenizing": ("han not split",)},
    ),
    Knob("punctuation not split", "words are parted at blanks alone", {"tokenizing": ("punctuation not split",)}),
    Knob(
        "control characters kept",
        "the text is not cleaned of control characters and odd blanks",
        {"tokenizing": ("not cleaned",)},
    ),
    *(
        Knob(f"truncation at {length}", f"texts are cut at {length} tokens, {origin}", {"max_length": length})
        for length, origin in (
            (64, "a common setting of small servers"),
            (128, "what tokenizer.json says, where sentence-transformers has 256"),
            (512, "what the position table holds, where sentence-transformers has 256"),
        )
    ),
    Knob("truncation at the left", "of long texts the beginning is cut, not the end", {"truncation": "left"}),
    Knob(
        "prefix 'query: '",
        "the text is led by an instruction that this model was not trained with",
        {"prefix": "query: "},
    ),
    Knob(
        "prefix 'passage: '",
        "the text is led by an instruction that this model was not trained with",
        {"prefix": "passage: "},
    ),
)

INPUTS = (
    Knob("token types of ones", "token_type_ids are 1 where one text has 0", {"token_types": "ones"}),
    Knob("positions off by one", "position ids begin at 1", {"first_position": 1}),
    Knob("positions off by two", "position ids begin at 2, as RoBERTa's do", {"first_position": 2}),
    *(
        Knob(
            f"padding attended to, {name}",
            f"attention has no mask; {name}",
            {"attention_masked": False, "padded_to": to},
        )
        for name, to in (
            ("padded to the longest", LONGEST),
            ("padded to 128", 128),
            ("padded to 256", 256),
            ("padded to 512", 512),
        )
    ),
)

OPS = (
    Knob(
        "tanh GELU",
        "GELU by its tanh approximation (gelu_new), where BERT has erf; llama.cpp and ggml do so",
        {"hidden_act": "gelu_new"},
    ),
    Knob("sigmoid GELU", "GELU by x sigmoid(1.702 x) (quick_gelu), where BERT has erf", {"hidden_act": "quick_gelu"}),
    Knob("ReLU", "ReLU where the model has GELU", {"hidden_act": "relu"}),
    Knob("SiLU", "SiLU where the model has GELU", {"hidden_act": "silu"}),
    *(
        Knob(
            f"eps {eps}", f"layer norm's eps is {eps}, {origin}; the model's is in its config.json", {"eps": float(eps)}
        )
        for eps, origin in (
            ("1e-3", "Keras' default"),
            ("1e-5", "PyTorch's default"),
            ("1e-6", "flax's default"),
            ("1e-7", "what float16 code has"),
            ("1e-8", "what some ports have"),
        )
    ),
    Knob("pre-norm", "layer norm before attention and feed forward, as GPT-2 has it", {"block": "pre-norm"}),
    Knob("no residuals", "a layer's input is not added to its output", {"block": "no residual"}),
    Knob("causal mask", "each token attends only to those before it, as in a decoder", {"block": "causal"}),
)

WIRING = tuple(
    Knob(name, explanation, {"rewirings": (name,)})
    for name, explanation in (
        ("query and key swapped", "the weights of Q and K stand in each other's place"),
        ("key and value swapped", "the weights of K and V stand in each other's place"),
        ("attention dense transposed", "attention.output.dense is multiplied the other way round (x W for x W^T)"),
        ("query transposed", "attention.self.query is multiplied the other way round"),
        ("key transposed", "attention.self.key is multiplied the other way round"),
        ("value transposed", "attention.self.value is multiplied the other way round"),
        ("query, key and value transposed", "all three are multiplied the other way round (x W for x W^T)"),
        ("no position embeddings", "the position embeddings are left out"),
        ("no token type embeddings", "the token type embeddings are left out, though segment 0 has a vector too"),
        ("no query, key and value biases", "the biases of Q, K and V are left out, as newer models have none"),
        ("no biases", "all biases are left out"),
        ("layer norms without weight and bias", "layer norm's own weight and bias are left out"),
        ("scores not scaled", "attention scores are not divided by sqrt(head_dim)"),
        ("scores scaled by hidden size", "attention scores are divided by sqrt(hidden_size), not sqrt(head_dim)"),
        ("scores scaled twice", "attention scores are divided by head_dim, not its root"),
        ("heads interleaved", "features are dealt to the heads in turn (reshape(head_dim, heads))"),
        ("unbiased variance", "layer norm divides by n - 1 (torch.var's and pandas' default)"),
        ("layers reversed", "the layers run in the reverse order"),
    )
)

PRECISION = tuple(
    Knob(name, explanation, {"precision": precision})
    for name, precision, explanation in (
        ("float16 weights", "float16", "the weights are rounded to float16"),
        ("bfloat16 weights", "bfloat16", "the weights are rounded to bfloat16"),
        ("int8 weights", "int8", "matrices are rounded to int8, one symmetric scale a tensor"),
        ("int8 weights by row", "int8 by row", "matrices are rounded to int8, one symmetric scale a row (per channel)"),
        ("uint8 weights", "uint8", "matrices are rounded to uint8, one scale and zero point a tensor"),
        ("Q8_0 weights", "q8_0", "matrices are rounded to int8 in blocks of 32, as ggml's Q8_0"),
    )
)

LAYERS = tuple(
    Knob(name, explanation, {"layers": layers})
    for name, explanation, layers in (
        ("last layer left out", "the hidden states before the last layer are taken (hidden_states[-2])", -1),
        ("last two layers left out", "the hidden states of the third layer from the end are taken", -2),
        ("first layer only", "the hidden states of the first layer are taken", 1),
        ("no layer", "the embeddings are taken as they are (hidden_states[0])", 0),
    )
)

ENCODER = (*OPS, *TOKENS, *INPUTS, *WIRING, *PRECISION, *LAYERS)
