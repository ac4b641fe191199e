"""Each rule of the Treebank tokenizer: a text whose words, by NLTK's NLTKWordTokenizer, need the rule."""

import re

import pytest

from refimpl.sparse.analyzers import treebank
from refimpl.sparse.analyzers.treebank import SurroundWithSpaces, TreebankWords, rewrite

# Texts per list of rules, with their words by NLTK 3.10, joined by spaces
WORDS = {
    "OPENING": {
        "«a b": "« a b",
        "“a b": "“ a b",
        "‘a b": "‘ a b",
        "„a b": "„ a b",
        "a`b": "a ` b",
    },
    "AT_START": {
        '"Yes, he did': "`` Yes , he did",
    },
    "AFTER_OPENING": {
        '"Yes," she': "`` Yes , '' she",
        'a ("b")': "a ( `` b '' )",
        "say 'so'": "say ' so '",
        "'twas so": "' twas so",
    },
    "AT_END": {
        "One ends.": "One ends .",
        "End.)": "End . )",
        "3,000 a:b, c": "3,000 a : b , c",
        "see:": "see :",
        "see,": "see ,",
    },
    "STANDING_ALONE": {
        "wait... what": "wait ... what",
        "a;b c": "a ; b c",
        "a@b c": "a @ b c",
        "a#b c": "a # b c",
        "a$b c": "a $ b c",
        "a%b c": "a % b c",
        "a&b c": "a & b c",
        "a?b c": "a ? b c",
        "a!b c": "a ! b c",
        "a‒b c": "a ‒ b c",
        "a–b c": "a – b c",
        "a—b c": "a — b c",
        "a―b c": "a ― b c",
        "dog's' x": "dog 's ' x",
        "a--b": "a -- b",
        "a*b c": "a * b c",
        "a]b c": "a ] b c",
        "a[b c": "a [ b c",
        "a(b c": "a ( b c",
        "a)b c": "a ) b c",
        "a{b c": "a { b c",
        "a}b c": "a } b c",
        "a<b c": "a < b c",
        "a>b c": "a > b c",
    },
    "CLOSING": {
        "«a» b": "« a » b",
        "a” b": "a ” b",
        "a’ b": "a ’ b",
        'a"b': "a '' b",
        "a''b": "a '' b",
        "don't\tgo": "do n't go",
        "it's x": "it 's x",
        "I'm x": "I 'm x",
        "he'd x": "he 'd x",
        "IT'S x": "IT 'S x",
        "I'M x": "I 'M x",
        "HE'D x": "HE 'D x",
        "she'll x": "she 'll x",
        "SHE'LL x": "SHE 'LL x",
        "we're x": "we 're x",
        "WE'RE x": "WE 'RE x",
        "you've x": "you 've x",
        "YOU'VE x": "YOU 'VE x",
        "don't x": "do n't x",
        "DON'T x": "DO N'T x",
    },
    "CONTRACTION": {
        "cannot go": "can not go",
        "d'ye go": "d 'ye go",
        "gimme it": "gim me it",
        "gonna go": "gon na go",
        "gotta go": "got ta go",
        "lemme go": "lem me go",
        "more'n one": "more 'n one",
        "wanna go": "wan na go",
    },
    "APOSTROPHE_T": {
        "'tis so": "' tis so",
        "'twas so": "' twas so",
    },
}
TEXTS = {text: words for texts in WORDS.values() for text, words in texts.items()}
LISTS = ("OPENING", "AT_START", "AFTER_OPENING", "AT_END", "STANDING_ALONE", "CLOSING")
CONTRACTIONS = ("(can)(not)", "(d)('ye)", "(gim)(me)", "(gon)(na)", "(got)(ta)", "(lem)(me)", "(more)('n)", "(wan)(na)")


def words_without(monkeypatch, name, rules):
    """The words of every text of a list of rules, once the list is replaced by `rules`."""
    monkeypatch.setattr(treebank, name, rules)
    treebank._rules.cache_clear()
    try:
        return {text: " ".join(rewrite(text, first=True, last=True)) for text in WORDS[name]}
    finally:
        treebank._rules.cache_clear()


@pytest.mark.parametrize("text", TEXTS)
def test_words_of_a_rule(text):
    assert " ".join(rewrite(text, first=True, last=True)) == TEXTS[text]
    assert " ".join(TreebankWords()(text)) == TEXTS[text]


def reduced_lists():
    """Each list of rules without one rule, or without one of a rule's marks."""
    for name in LISTS:
        rules = list(getattr(treebank, name))
        for i, rule in enumerate(rules):
            if isinstance(rule, SurroundWithSpaces):
                for mark in rule.marks:
                    fewer = SurroundWithSpaces(rule.marks.replace(mark, ""))
                    yield pytest.param(name, [*rules[:i], fewer, *rules[i + 1 :]], id=f"{name}-{mark!a}")
            else:
                yield pytest.param(name, [*rules[:i], *rules[i + 1 :]], id=f"{name}-{i}")


@pytest.mark.parametrize(("name", "rules"), list(reduced_lists()))
def test_without_the_rule_the_words_differ(name, rules, monkeypatch):
    assert words_without(monkeypatch, name, rules) != WORDS[name]


CLITICS = ("'[sS]", "'[mM]", "'[dD]", "'ll", "'LL", "'re", "'RE", "'ve", "'VE", "n't", "N'T")


@pytest.mark.parametrize("clitic", CLITICS)
def test_without_the_clitic_the_words_differ(clitic, monkeypatch):
    def reduced(rule):
        return rule._replace(pattern=re.compile(re.sub(rf"{re.escape(clitic)}\|?", "", rule.pattern.pattern, count=1)))

    *rules, first, second = treebank.CLOSING
    names = [first, second]
    (i,) = (i for i, rule in enumerate(names) if clitic in re.split(r"[()|]", rule.pattern.pattern))
    names[i] = reduced(names[i])
    assert words_without(monkeypatch, "CLOSING", [*rules, *names]) != WORDS["CLOSING"]


@pytest.mark.parametrize("contraction", CONTRACTIONS)
def test_without_the_contraction_the_words_differ(contraction, monkeypatch):
    pattern = treebank.CONTRACTION.pattern
    assert contraction in pattern
    monkeypatch.setattr(treebank, "CONTRACTION", re.compile(pattern.replace(contraction, "(no)(such)")))
    assert words_without(monkeypatch, "CONTRACTION", treebank.CONTRACTION) != WORDS["CONTRACTION"]


def test_a_full_stop_inside_a_text_stays_with_its_word():
    assert rewrite("Mr. Smith ends.", first=True, last=True) == ("Mr.", "Smith", "ends", ".")  # NLTK
