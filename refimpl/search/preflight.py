"""Everything about a run that can be refused, refused before documents are encoded."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from refimpl.common.atomic import check_output
from refimpl.evaluate import check_trec_id, evaluate
from refimpl.search.plan import Encoder, LoadedDataset, RunPlan, refused
from refimpl.search.records import Vectors, rows_outside
from refimpl.search.results import output_files


def check_dataset(dataset: LoadedDataset, measures: Sequence[str]) -> None:
    """Raise DatasetError for queries' ids that a TREC run refuses, and qrels that cannot be evaluated.

    Raises ImportError where the library of measures is missing.
    """
    try:
        for one in dataset.queries:
            check_trec_id(one)
        evaluate({query_id: dict.fromkeys(of, 1.0) for query_id, of in dataset.qrels.items()}, dataset.qrels, measures)
    except (ValueError, OverflowError, TypeError) as error:
        raise refused(dataset.name, error) from error


def check_files(plan: RunPlan, out: Path) -> None:
    """Create the folders of the run's files; OSError where one of the files cannot be written."""
    for file in output_files(system.name for system in plan.systems):
        check_output(out / file)


def check_queries(encoder: Encoder, query_ids: Iterable[str], queries: Vectors) -> None:
    """Raise ValueError for a query's vector that Milvus refuses, with the encoder's remedy."""
    bad = rows_outside(queries, least=0.0)
    if len(bad):
        rule = "every value must be finite"
        if not isinstance(queries, np.ndarray):
            rule = "Milvus refuses a weight below 0, such as the idf of a term that most documents have"
        remedy = f": {encoder.remedy}" if encoder.remedy else ""
        name = list(query_ids)[bad[0]]
        raise ValueError(
            f"query {name!r} has an invalid {encoder.field.name} vector ({rule}); {len(bad)} in all{remedy}"
        )
