"""A BM25 variant together with its parameters: what a corpus is weighted by."""

from dataclasses import dataclass

from refimpl.sparse.bm25.checks import check_number, check_variant
from refimpl.sparse.bm25.formulas import Df, Idf, Tf, Variant, Weight


@dataclass(frozen=True)
class Weighting:
    """`variant`'s formulas with k1, b, epsilon and delta filled in."""

    variant: Variant
    k1: float
    b: float
    epsilon: float
    delta: float

    @classmethod
    def checked(cls, variant: object, k1: object, b: object, epsilon: object, delta: object) -> "Weighting":
        """From a user's arguments; `delta` None is the published one of the variant.

        Raises
        ------
        TypeError, ValueError
            for an argument outside its range: `variant` a key of `VARIANTS`, `k1` >= 0, `b` in [0, 1], `epsilon` >= 0,
            `delta` >= 0, all finite. The message names the argument.
        """
        known = check_variant(variant)
        return cls(
            known,
            k1=check_number(k1, "k1"),
            b=check_number(b, "b", most=1.0),
            epsilon=check_number(epsilon, "epsilon"),
            delta=known.delta if delta is None else check_number(delta, "delta"),
        )

    def idf(self, df: Df, n_docs: int) -> Idf:
        """Each term's idf."""
        return self.variant.idf(df, n_docs, self.epsilon)

    def tf(self, tf: Tf, doc_len: Tf, avgdl: float) -> Weight:
        """Each term's tf weight in a document of `doc_len` tokens."""
        return self.variant.tf(tf, doc_len, avgdl, self.k1, self.b, self.delta)
