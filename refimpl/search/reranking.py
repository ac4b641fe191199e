"""The second stage of a run: the best hits of every system, reranked; each distinct pair is scored once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import TypeAlias

import numpy as np

from refimpl.base import PairScorer, RerankFunction
from refimpl.common.progress import progress
from refimpl.search.cache import EmbeddingCache, Encoded
from refimpl.search.costs import Timing
from refimpl.search.failures import Failures
from refimpl.search.plan import LoadedDataset, RunPlan, System
from refimpl.search.records import SearchResults
from refimpl.search.retrieval import rerank

PAIRS = 2048  # scored, then saved: the most that is lost when the process is killed
PairScores: TypeAlias = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Reranking:
    """The first stage's results of a run by `System.route`, and what reranks them; `record` receives the timings."""

    plan: RunPlan
    dataset: LoadedDataset
    retrieved: Mapping[str, SearchResults]
    record: Callable[[Timing], None]
    show_progress: bool = False

    def run(self, failures: Failures) -> dict[str, SearchResults]:
        """The results of each system whose search did not fail: its best `rerank_depth` hits in the reranker's order.

        Systems of one reranker share the scores of pairs, where it is a `PairScorer`. Without a reranker, results are
        as they were retrieved. A reranker that fails is recorded in `failures`, and its systems are missing.
        """
        systems = [system for system in self.plan.systems if system.route in self.retrieved]
        ranked = {system.name: self.retrieved[system.route] for system in systems if system.rerank is None}
        for function in {id(system.rerank): system.rerank for system in systems if system.rerank}.values():
            of_function = [system for system in systems if system.rerank is function]
            if isinstance(function, PairScorer):
                with failures.recorded("rerank", ", ".join(system.name for system in of_function)):
                    scores = self._scores(function, of_function)
                    ranked |= {system.name: self._by_scores(system, scores) for system in of_function}
                continue
            for system in of_function:
                with failures.recorded("rerank", system.name):
                    ranked[system.name] = self._by_query(system, function)
        return {system.name: ranked[system.name] for system in systems if system.name in ranked}

    def _candidates(self, system: System) -> Iterator[tuple[str, list[str], list[str]]]:
        """Each query, and the ids and texts of its best hits."""
        for query, ids in zip(self.dataset.queries.values(), self.retrieved[system.route].ids, strict=True):
            best = ids[: system.rerank_depth]
            yield query, best, [self._texts[doc_id] for doc_id in best]

    @cached_property
    def _texts(self) -> dict[str, str]:
        """The texts of the best hits of all systems that rerank, read in one pass over the documents."""
        systems = [system for system in self.plan.systems if system.rerank and system.route in self.retrieved]
        best = (ids[: one.rerank_depth] for one in systems for ids in self.retrieved[one.route].ids)
        return self.dataset.documents.texts_of({doc_id for ids in best for doc_id in ids})

    def _scores(self, scorer: PairScorer, systems: Sequence[System]) -> PairScores:
        """The score of every distinct pair of query and document text that the systems rerank."""
        distinct = {
            (query, text) for system in systems for query, _, texts in self._candidates(system) for text in texts
        }
        pairs = sorted(distinct, key=lambda pair: pair[::-1])  # pairs of one document together
        with progress("rerank", len(pairs), self.show_progress) as advance:
            encoded = self._score(scorer, systems[0].rerank_key, pairs, advance)
        self.record(Timing("rerank", "all", encoded.computed, encoded.seconds, len(pairs) - encoded.computed))
        return dict(zip(pairs, np.ravel(encoded.vectors).tolist(), strict=True))

    def _score(
        self,
        scorer: PairScorer,
        key: Mapping[str, object] | None,
        pairs: Sequence[tuple[str, str]],
        advance: Callable[[int], None],
    ) -> Encoded:
        """Scores in the order of the pairs, those of `key` from the cache where it has them."""
        by_text = {f"{len(query)} {query}{document}": (query, document) for query, document in pairs}

        def score(texts: list[str]) -> np.ndarray:
            queries, documents = [by_text[text][0] for text in texts], [by_text[text][1] for text in texts]
            return np.asarray(scorer.score_pairs(queries, documents), dtype=np.float64).reshape(-1, 1)

        if key is not None and pairs:
            cache = EmbeddingCache({**key, "what": "scores of pairs"}, self.plan.cache)
            return cache.encode(score, list(by_text), advance, batch_size=PAIRS)
        start = perf_counter()
        scores = score(list(by_text)) if pairs else np.empty((0, 1))
        advance(len(pairs))
        return Encoded(scores, len(pairs), perf_counter() - start)

    def _by_scores(self, system: System, scores: PairScores) -> SearchResults:
        """Hits by score, descending; equal scores in the order of the first stage."""
        reordered = SearchResults([], [])
        for query, ids, texts in self._candidates(system):
            values = [scores[query, text] for text in texts]
            order = np.argsort(-np.array(values), kind="stable").tolist()
            reordered.ids.append([ids[number] for number in order])
            reordered.scores.append([values[number] for number in order])
        return reordered

    def _by_query(self, system: System, function: RerankFunction) -> SearchResults:
        """Hits in the order of a reranker that receives all documents of a query at once."""
        reordered = SearchResults([], [])
        start = perf_counter()
        with progress(f"rerank {system.name}", len(self.dataset.queries), self.show_progress) as advance:
            for query, ids, texts in self._candidates(system):
                ranked_ids, scores = rerank(function, query, ids, texts)
                reordered.ids.append(ranked_ids)
                reordered.scores.append(scores)
                advance(1)
        self.record(Timing("rerank", system.name, sum(map(len, reordered.ids)), perf_counter() - start))
        return reordered
