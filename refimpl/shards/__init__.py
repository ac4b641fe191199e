"""Collections in shards: Parquet files of a few thousand documents with their vectors, and a manifest.

    split(documents, rows)                 stream of Document -> stream of Part (number, first_row, ids, texts)
    encode_shard(part, encoders, path)     encode one part and write it, unless the file has it; pure but for the file
    begin(folder, settings)                create or resume a folder; ShardError where it has other settings
    entry_of(path)                         the manifest's entry of one file
    finish(folder, settings, entries)      write the manifest of the complete folder
    encode_shards(documents, ...)          all of these in one process
    read_shard(path, columns)              Shard (ids, texts, vectors by field); shard_paths(folder), verify(folder)

A part and its settings determine a shard, so shards can be encoded in any order by any process: `shard_file(number)` is
the name, `is_shard_of` tests whether it is there. Exact search over shards is `refimpl.search.exact.search_blocks`, or
`search_block` per shard and `refimpl.search.topk.merged`, equal to the last bit in any order.
"""

from refimpl.shards.encode import (
    ROWS,
    Part,
    begin,
    encode_shard,
    encode_shards,
    finish,
    is_shard_of,
    source_hash,
    split,
)
from refimpl.shards.manifest import Manifest, ShardEntry, blocks_of, entry_of, shard_file, shard_paths, verify
from refimpl.shards.parquet import Column, Shard, ShardError, ShardInfo, read_info, read_shard, write_shard

__all__ = [
    "ROWS",
    "Column",
    "Manifest",
    "Part",
    "Shard",
    "ShardEntry",
    "ShardError",
    "ShardInfo",
    "begin",
    "blocks_of",
    "encode_shard",
    "encode_shards",
    "entry_of",
    "finish",
    "is_shard_of",
    "read_info",
    "read_shard",
    "shard_file",
    "shard_paths",
    "source_hash",
    "split",
    "verify",
    "write_shard",
]
