"""How a target reads written forms: a text is compared with what it would be after each known treatment."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from refimpl.identify.describe import Factor
from refimpl.identify.rows import Row, Rows
from refimpl.identify.sameness import Sameness

CARRIERS = ("{}", "we saw {} today", "the {} is near the river")
LONGISH, LONG = 30, 130
WEAK = ("a token of its own", "one unknown token", "as one number", "as characters", "one for all")
"""Options that match as well where what they compare with is itself removed."""


@dataclass(frozen=True)
class Form:
    """A written form; `options` are known treatments, each with the text that is the same after it."""

    name: str
    written: str
    options: Mapping[str, str]
    otherwise: str = "kept"
    carriers: Sequence[str] = field(default=CARRIERS[1:])


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


FORMS = (
    Form("case", "The Red House", {"lower-cased": "the red house"}),
    Form("case beyond ASCII", "МОСКВА", {"lower-cased": "москва"}),
    Form("accents", "café résumé", {"removed": "cafe resume"}),
    Form("combining accents", _decomposed("café résumé"), {"as composed letters": "café résumé"}, "not composed"),
    Form("compatibility forms", "ﬁve ﬁsh", {"replaced (NFKC)": "five fish"}),
    Form("full-width letters", "ｈｏｕｓｅ", {"replaced (NFKC)": "house"}),
    Form("repeated spaces", "red   house", {"collapsed": "red house", "removed": "redhouse"}),
    Form("leading and trailing space", "  red house \n", {"removed": "red house"}, "kept", CARRIERS[:1]),
    Form("newline and tab", "red\nbig\thouse", {"as a space": "red big house", "removed": "redbighouse"}),
    Form("no-break space", "red\u00a0house", {"as a space": "red house", "removed": "redhouse"}),
    Form("zero-width space", "red\u200bhouse", {"removed": "redhouse", "as a space": "red house"}),
    Form("zero-width joiner", "red\u200dhouse", {"removed": "redhouse", "as a space": "red house"}),
    Form("soft hyphen", "red\u00adhouse", {"removed": "redhouse", "as a space": "red house"}),
    Form("byte order mark", "red\ufeffhouse", {"removed": "redhouse", "as a space": "red house"}),
    Form("control character", "red\u0001house", {"removed": "redhouse", "as a space": "red house"}),
    Form("comma", "red, big", {"a token of its own": "red , big", "removed": "red big"}),
    Form(
        "hyphen",
        "well-known",
        {"a token of its own": "well - known", "as a space": "well known", "removed": "wellknown"},
    ),
    Form("apostrophe", "don't", {"a token of its own": "don ' t", "as a space": "don t", "removed": "dont"}),
    Form(
        "underscore",
        "red_house",
        {"a token of its own": "red _ house", "as a space": "red house", "removed": "redhouse"},
    ),
    Form("curly quotes", "“red”", {"as straight ones": '"red"', "removed": "red"}),
    Form("digits", "1984", {"one by one": "1 9 8 4", "removed": "", "as one number": "2741"}, "not one by one"),
    Form("CJK", "火山日本", {"one character a token": "火 山 日 本", "removed": ""}, "not split by character"),
    Form("emoji", "😀", {"removed": "", "one unknown token": "🚀"}, "distinguished"),
    Form("unknown characters", "\U00010a00", {"removed": "", "one unknown token": "\U00011fc0"}, "distinguished"),
    Form("sharp s", "straße", {"as ss": "strasse"}),
    Form(
        "[SEP] in a text",
        "red [SEP] big",
        {"as characters": "red [ SEP ] big", "removed": "red big"},
        "not as its characters",
    ),
    Form(
        "</s> in a text",
        "red </s> big",
        {"as characters": "red < / s > big", "removed": "red big"},
        "not as its characters",
    ),
    Form(
        "HTML tags",
        "red<b>house</b>big",
        {"removed": "redhousebig", "as a space": "red house big", "as characters": "red < b > house < / b > big"},
    ),
    Form("URLs", "https://www.site.com/house", {"removed": "", "one for all": "https://www.page.org/river"}),
    Form("HTML entities", "fish &lt; bread", {"replaced": "fish < bread", "removed": "fish bread"}),
    Form("repeated words", "red red red house", {"once": "red house"}),
    Form("stop words", "the house", {"removed": "house"}, "kept", ("big {} near a river", "old {} at a lake")),
    Form("plural s", "houses", {"removed": "house"}),
    Form(
        f"words of {LONGISH} letters",
        "x" * LONGISH,
        {"one unknown token": "z" * LONGISH, "removed": ""},
        "distinguished",
    ),
    Form(f"words of {LONG} letters", "x" * LONG, {"one unknown token": "z" * LONG, "removed": ""}, "distinguished"),
    Form("word order", "red car near blue house", {"ignored": "blue house near red car"}, "matters"),
)


def factors(rows: Rows, sameness: Sameness) -> list[Factor]:
    """One factor per form, from two carriers, which must agree."""
    wanted: list[str] = []
    for form in FORMS:
        for carrier in form.carriers:
            wanted += [carrier.format(text) for text in (form.written, *form.options.values())]
    texts = list(dict.fromkeys(wanted))
    answers = dict(zip(texts, rows(texts), strict=True))
    return [*(_factor(form, answers, sameness) for form in FORMS), _empty(rows, sameness)]


def _factor(form: Form, answers: Mapping[str, Row], sameness: Sameness) -> Factor:
    name = f"text: {form.name}"
    results = {
        option: [sameness.same(answers[c.format(form.written)], answers[c.format(text)]) for c in form.carriers]
        for option, text in form.options.items()
    }
    evidence = f"{form.written!r:.40} compared with {', '.join(f'{text!r:.40}' for text in form.options.values())}"
    found = [option for option, same in results.items() if all(same)]
    found = [option for option in found if option not in WEAK] or found
    if len(found) == 1:
        return Factor(name, "known form", found[0], evidence)
    if found:
        return Factor(name, "undetermined", f"one of: {'; '.join(found)}", evidence)
    if all(one is False for same in results.values() for one in same):
        return Factor(name, "known form", form.otherwise, evidence)
    why = sameness.reason if not sameness.decides else "refused, or different in two sentences"
    return Factor(name, "undetermined", why, evidence)


def _empty(rows: Rows, sameness: Sameness) -> Factor:
    name, evidence = "text: empty and blank", "'' and '   '"
    empty, blank = rows(["", "   "])
    refusals = [kind for kind, row in (("empty", empty), ("blank", blank)) if not hasattr(row, "shape")]
    if refusals:
        return Factor(name, "known form", f"{' and '.join(refusals)} refused", evidence)
    same = sameness.same(empty, blank)
    if same is None:
        return Factor(name, "undetermined", sameness.reason, evidence)
    return Factor(name, "known form", "one and the same" if same else "differ", evidence)
