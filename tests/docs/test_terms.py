"""Links to the glossary: the first use of each term, and nothing within code, links and headings."""

import pytest

from docs.hooks import terms


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (
            "<p>Mean pooling, then pooling.</p><p>Mean pooling again.</p>",
            '<p><a class="term" href="../glossary.html#mean-pooling">Mean pooling</a>, then '
            '<a class="term" href="../glossary.html#pooling">pooling</a>.</p><p>Mean pooling again.</p>',
        ),
        (
            "<li>Its tokens and <code>logits</code>.</li>",
            '<li>Its <a class="term" href="../glossary.html#token">tokens</a> and <code>logits</code>.</li>',
        ),
        ("<h2>Softmax</h2><pre>softmax</pre><a href='x'>softmax <b>softmax</b></a>", None),
        ('<p><a href="../glossary.html#gelu">GELU</a> and GELU</p>', None),
        ("<p>The tokenizer-tokens of BM25L, tokenised.</p>", None),
        ("<p>TF and a run.</p>", None),
    ],
)
def test_the_first_use_of_a_term_is_linked(html, expected):
    assert terms.linked(html, "../glossary.html") == (expected or html)


def test_every_ambiguous_word_is_a_term():
    text = terms.GLOSSARY.read_text("utf-8")
    assert [word for word in terms.AMBIGUOUS if f"\n### {word}\n" not in text] == []
    assert len(terms.terms()) > 50
