"""The corpora of purpose-made documents, each query of which isolates one factor of the formula."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from refimpl.identify.ask import Probe
from refimpl.identify.words import words

SETTINGS = {"first": (1.7, 0.6), "second": (0.8, 0.9), "k1 zero": (0.0, 0.6), "b zero": (1.7, 0.0)}
"""(k1, b) of the runs; unusual ones, so that a package's own defaults are recognised as such."""
OCCURRENCES = (1, 2, 3, 4, 5, 6, 8, 12, 16, 24)
MIXED_LENGTHS = (
    *(1, 2, 3, 4, 6, 8, 11, 16, 20, 24, 30, 39, 40, 41, 44, 50, 57, 64, 75, 90, 110, 130, 160, 200),
    *(260, 350, 450, 600, 800, 1000),
)
LONG_LENGTHS = (60, 85, 120, 175, 240, 400, 700)
MIXED_DF = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 16, 20, 25, 30, 35, 39, 40, 41, 45, 50)
LONG_DF = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 18, 21, 24, 25, 26, 30, 36, 42, 49, 50)
SMALL_DF = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14)


@dataclass
class Layout:
    """A corpus as token lists, and where each probe's term is; a term's document is the one whose score is read."""

    docs: list[list[str]] = field(default_factory=list)
    anchor: tuple[str, int] = ("", 0)
    idf: dict[int, str] = field(default_factory=dict)  # df -> term; all of them once in document `idf_doc`
    idf_doc: int = 0
    tf: dict[int, str] = field(default_factory=dict)  # occurrences -> term of df 1 in document `tf_doc`
    tf_doc: int = 0
    uneven: str = ""  # df 2: once in `tf_doc`, seven times elsewhere
    even: str = ""  # df 2: once in `tf_doc`, once elsewhere
    lengths: list[tuple[int, dict[int, str]]] = field(default_factory=list)  # document, occurrences -> term of df 1

    def weight_terms(self) -> list[str]:
        """The terms that show tf and length normalisation."""
        return [*self.tf.values(), *(term for _, terms in self.lengths for term in terms.values())]

    def terms(self) -> list[str]:
        """Every term that is read, the anchor first."""
        return [self.anchor[0], *self.idf.values(), self.uneven, self.even, *self.weight_terms()]


def formula_layout(
    seed: int, n_docs: int, lengths: Sequence[int], dfs: Sequence[int], plain: int, all_once: bool
) -> Layout:
    """A layout of `n_docs` documents, those without a purpose `plain` tokens long.

    Fillers are one word repeated, or (in every second document, where `all_once` is True) each once.
    """
    fresh = words(seed)
    pool = [next(fresh) for _ in range(1000)]
    layout = Layout(anchor=(next(fresh), 2))
    layout.idf = {df: next(fresh) for df in dfs}
    layout.idf_doc, layout.tf_doc = 0, 1
    layout.tf = {f: next(fresh) for f in OCCURRENCES}
    layout.uneven, layout.even = next(fresh), next(fresh)
    tf_tokens = [term for f, term in layout.tf.items() for _ in range(f)]
    docs = [list[str](), [*tf_tokens, layout.uneven, layout.even], [layout.anchor[0]]]
    targets = [48, 128, 48]
    for length in lengths:
        terms = _length_terms(fresh, length, thrice=len(docs) % 3 == 0)
        layout.lengths.append((len(docs), terms))
        docs.append([term for f, term in terms.items() for _ in range(f)])
        targets.append(length)
    docs += [[] for _ in range(n_docs - len(docs))]
    targets += [plain] * (n_docs - len(targets))
    docs[-1] += [layout.uneven] * 7 + [layout.even]
    _carry(docs, layout, targets)
    for number, (doc, target) in enumerate(zip(docs, targets, strict=True)):
        spread = all_once and number % 2 == 0
        filler = pool[number] + pool[number + 1] if number % 4 == 1 else pool[number]  # characters are not 6 a token
        doc += pool[: target - len(doc)] if spread else [filler] * (target - len(doc))
    layout.docs = docs
    return layout


def _length_terms(fresh: Iterator[str], length: int, thrice: bool) -> dict[int, str]:
    needed = {1: 1, 3: 4, **({7: 11} if thrice else {})}
    return {f: next(fresh) for f, tokens in needed.items() if length >= tokens}


def _carry(docs: list[list[str]], layout: Layout, targets: Sequence[int]) -> None:
    """Put each idf term into as many documents as its df: the first one, then plain ones, then the others."""
    others = range(len(docs) - 1, 0, -1)  # plain documents are last
    for df, term in layout.idf.items():
        for number in [0, *others][:df]:
            if len(docs[number]) >= targets[number]:
                raise ValueError(f"document {number} of {targets[number]} tokens is full")
            docs[number].append(term)


def mixed() -> Layout:
    """82 documents, lengths 1 to 1000, fillers repeated in every second one: tokens and distinct terms differ."""
    return formula_layout(1, 82, MIXED_LENGTHS, MIXED_DF, 57, all_once=True)


def long() -> Layout:
    """50 documents of 48 or more tokens, fillers repeated: another N, another average, terms in all documents."""
    return formula_layout(2, 50, LONG_LENGTHS, LONG_DF, 60, all_once=False)


def small() -> Layout:
    """14 documents: the idf at high shares of the documents shows although only ten hits are returned."""
    return formula_layout(4, 14, (), SMALL_DF, 40, all_once=False)


def with_empty() -> Layout:
    """30 documents, of which 12 are empty or of white space alone."""
    layout = formula_layout(3, 18, (5, 40, 200), (1, 2, 3, 4), 50, all_once=False)
    layout.docs += [*([] for _ in range(8)), *(["", "", ""] for _ in range(4))]  # joined by spaces
    return layout


def probe(layout: Layout, setting: str, queries: Sequence[str], anchored: bool) -> Probe:
    """The layout's input under one of SETTINGS; `anchored`: each query also with the anchor's term."""
    k1, b = SETTINGS[setting]
    more = [f"{query} {layout.anchor[0]}" for query in queries] if anchored else []
    return Probe(tuple(" ".join(doc) for doc in layout.docs), (*queries, *more), k1, b)
