import json
import tracemalloc

import pytest

from refimpl.common.json_size import parsed_bytes

N = 20_000
TEXTS = {
    "empty lists": "[" + ",".join(["[]"] * N) + "]",
    "lists of one": "[" + ",".join(["[[]]"] * N) + "]",
    "deep lists": "[" + ",".join(["[[[[[[1.5]]]]]]"] * N) + "]",
    "empty objects": "[" + ",".join(["{}"] * N) + "]",
    "objects of one": "[" + ",".join(['{"a":1.25}'] * N) + "]",
    "one large object": "{" + ",".join(f'"k{i}":{i}.5' for i in range(N)) + "}",
    "objects of three": "[" + ",".join(['{"a":1.25,"b":[],"c":"xyz"}'] * N) + "]",
    "objects of six": "[" + ",".join(['{"a":1.25,"b":[],"c":"xyz","d":1,"e":2,"f":3}'] * N) + "]",
    "floats": "[" + ",".join(["1.5"] * N) + "]",
    "integers": "[" + ",".join(["7777"] * N) + "]",
    "strings": "[" + ",".join(f'"{i}"' for i in range(N)) + "]",
    "empty strings": "[" + ",".join(['""'] * N) + "]",
    "letters of four bytes": json.dumps(["😀" * N], ensure_ascii=False),
    "letters of two bytes": json.dumps(["東" * 50] * 500, ensure_ascii=False),
    "one letter of four bytes": json.dumps(["a" * 100_000 + "😀"], ensure_ascii=False),
    "escapes": json.dumps(["😀東" * 50] * 500),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_the_estimate_is_at_least_what_the_parser_allocates_and_of_its_size(kind):
    text = TEXTS[kind].encode()
    tracemalloc.start()
    values = json.loads(text)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert values
    assert held <= parsed_bytes(text) < 40 * held
