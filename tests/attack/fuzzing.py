"""Coverage-guided fuzzing of one reader, by hand: needs atheris (pip install atheris), which CI does not.

    python tests/attack/fuzz_json.py -runs=1000000 -max_len=200 CORPUS_FOLDER

The arguments are libFuzzer's; a crash is an exception that is not the reader's own, or one without the file's name.
"""

import sys
from collections.abc import Callable
from pathlib import Path


def fuzz(read: Callable[[bytes], object], error: type[Exception], name: str, seeds: list[bytes]) -> None:
    """Call `read` with libFuzzer's inputs; only `error`, with `name` in its message, is no crash."""
    import atheris

    def once(data: bytes) -> None:
        try:
            read(data)
        except error as caught:
            if name not in str(caught):
                raise AssertionError(f"expected the name {name} in the message, got {caught}") from caught

    for folder in (argument for argument in sys.argv[1:] if not argument.startswith("-")):
        Path(folder).mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (Path(folder) / f"seed{number}").write_bytes(seed)
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
