"""The tables of docs/scale.md, from the costs that `bench.scale` measured.

python -m bench.scale_page [--costs docs/assets/scale.json] [--page docs/scale.md]
"""

import argparse
import json
import math
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
COSTS, PAGE = ROOT / "docs/assets/scale.json", ROOT / "docs/scale.md"

COLLECTIONS = {"MS MARCO, 8.8 million": 8_841_823, "100 million": 100_000_000}
MSMARCO_WORDS = 56  # per passage, on average (Nguyen et al. 2016, arXiv:1611.09268)
QUERIES = 1_000
NODE_BYTES = 64e9 * 0.7  # usable memory of a query node of 64 GB: Milvus refuses to load beyond a share of it
HNSW_LINKS = 2 * 16 * 4  # bytes per vector of the lowest layer, M = 16
ID_BYTES = 24  # of `refimpl.common.seen.Seen`, at most
INDEX_BYTES = 20  # of the embedding cache's index, when a run is resumed with other batches
SPARSE_ENTRY = 8  # bytes of an entry of Milvus' inverted index: document and weight


def main() -> None:
    """Write the tables between the markers of the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--costs", type=Path, default=COSTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    costs = json.loads(options.costs.read_text(encoding="utf-8"))
    options.page.write_text(filled(options.page.read_text(encoding="utf-8"), costs), encoding="utf-8")


def filled(page: str, costs: dict[str, Any]) -> str:
    """The page with its tables replaced."""
    for name, table in (("curve", curve(costs)), ("costs", per_document(costs)), ("projection", projection(costs))):
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        page, count = pattern.subn(lambda found, table=table: found[1] + table + found[2], page)
        if count != 1:
            raise ValueError(f"expected one place for the table {name}, got {count}")
    return page


def curve(costs: dict[str, Any]) -> str:
    """Documents per second and peak memory of each stage, by number of documents."""
    points = costs["curve"]
    head = "".join(f" {point['count']:,} | |" for point in points)
    rows = [f"| stage |{head}", "|---|" + "---:|---:|" * len(points), "| |" + " per second | MiB |" * len(points)]
    for name in points[0]["stages"]:
        cells = [point["stages"][name] for point in points]
        shown = "".join(
            f" {one['documents'] / one['seconds']:,.0f} | {one['peak_rss_bytes'] / 2**20:,.0f} |" for one in cells
        )
        rows.append(f"| {name} |{shown}")
    return "\n".join(rows) + "\n"


def per_document(costs: dict[str, Any]) -> str:
    """Costs per document."""
    cpu = [
        f"| {name.replace('_', ' ')} | {seconds * 1e6:,.3g} |"
        for name, seconds in costs["cpu_seconds_per_document"].items()
    ]
    size = [f"| {name} | {size:,.0f} |" for name, size in costs["bytes_per_document"].items()]
    return "\n".join(["| work | CPU µs |", "|---|---:|", *cpu, "", "| on disk | bytes |", "|---|---:|", *size]) + "\n"


def projection(costs: dict[str, Any]) -> str:
    """What the collections take, by the costs per document."""
    columns = [quantities(costs, count) for count in COLLECTIONS.values()]
    rows = [f"| {name} | " + " | ".join(column[name] for column in columns) + " |" for name in columns[0]]
    head = "| | " + " | ".join(COLLECTIONS) + " |"
    return "\n".join([head, "|---|" + "---:|" * len(COLLECTIONS), *rows]) + "\n"


def quantities(costs: dict[str, Any], count: int) -> dict[str, str]:
    """Hours of one core, bytes and nodes for `count` passages of MS MARCO's length."""
    longer = MSMARCO_WORDS / costs["words"]  # texts of more words: what is per word takes longer
    cpu, size = costs["cpu_seconds_per_document"], costs["bytes_per_document"]
    vectors, sparse = 4 * costs["dim"] * count, SPARSE_ENTRY * costs["entries_per_document"] * longer * count
    milvus = {"FLAT": vectors + sparse, "HNSW": vectors + sparse + HNSW_LINKS * count}
    search = (cpu["search_dense_per_query"] + cpu["search_bm25_per_query"]) * QUERIES
    return {
        "encode with MiniLM": hours(cpu["encode_minilm"] * longer * count),
        "encode with a static model": hours(cpu["encode_static"] * longer * count),
        "fit and encode BM25": hours((cpu["fit_bm25"] + cpu["encode_bm25"]) * longer * count),
        "read, and write shards": hours((cpu["read"] + cpu["write_shards"]) * count),
        f"exact search, {QUERIES:,} queries": hours(search * count),
        "shards on disk": gigabytes((size["dense"] + (size["text"] + size["bm25"]) * longer) * count),
        "cached vectors on disk": gigabytes(vectors),
        "memory while ids are checked": gigabytes(ID_BYTES * count),
        "memory of the cache's index, where it is needed": gigabytes(INDEX_BYTES * count),
        "memory of a BM25Index": gigabytes(size["index"] * longer * count),
        "Milvus, vectors in memory, FLAT": gigabytes(milvus["FLAT"]),
        "Milvus, vectors in memory, HNSW": gigabytes(milvus["HNSW"]),
        "query nodes of 64 GB, HNSW": f"{math.ceil(milvus['HNSW'] / NODE_BYTES)}",
    }


def hours(seconds: float) -> str:
    """Core hours, two digits."""
    return f"{rounded(seconds / 3600):,g} core hours"


def gigabytes(size: float) -> str:
    """Gigabytes of 10 ** 9 bytes, two digits."""
    return f"{rounded(size / 1e9):,g} GB"


def rounded(value: float) -> float:
    """Two significant digits."""
    return float(f"{value:.2g}")


if __name__ == "__main__":
    main()
