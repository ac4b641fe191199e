"""Time and money of a run: every amount is computed by hand."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from refimpl import systems
from refimpl.base import Usage
from refimpl.cli.retrieval import app
from refimpl.datasets import open_dataset
from refimpl.search.costs import Prices, Timing, stage_costs
from refimpl.search.documents import Documents
from refimpl.search.encoding import encode_dataset
from refimpl.search.fields import DenseField
from refimpl.search.plan import Encoder, LoadedDataset, RunPlan, System

PRICES = Prices(0.36, {"remote": 0.5})  # 0.0001 per second
LOCAL = Timing("encode documents", "dense", 100, 20.0, skipped=7)
REMOTE = Timing("encode documents", "remote", 50, 4.0, remote=True, tokens=3000)


@pytest.mark.parametrize(
    ("timing", "prices", "cost"),
    [
        (LOCAL, PRICES, 0.002),
        (LOCAL, Prices(None, {"remote": 0.5}), None),
        (LOCAL, Prices(0.0), 0.0),
        (REMOTE, PRICES, 0.0015),
        (REMOTE, Prices(0.36), None),  # the machine waits for the provider: its price says nothing about tokens
        (Timing("encode queries", "remote", 5, 1.0, remote=True, tokens=None), PRICES, None),
        (Timing("encode queries", "remote", 5, 1.0, remote=True, tokens=None), Prices(None, {"remote": 0.0}), 0.0),
    ],
)
def test_the_cost_of_a_timing(timing, prices, cost):
    assert prices.cost(timing) == (None if cost is None else pytest.approx(cost, rel=1e-12))


@pytest.mark.parametrize(
    "wrong", [{"per_hour": -0.1}, {"per_hour": float("nan")}, {"per_million_tokens": {"x": np.inf}}]
)
def test_a_price_that_is_none_is_rejected(wrong):
    with pytest.raises(
        ValueError, match=r"the price of (an hour|a million tokens of x) must be a finite number from 0"
    ):
        Prices(**wrong)


def test_stages_are_sums_in_the_order_of_a_run():
    timings = [
        Timing("rerank", "all", 40, 8.0, skipped=10),
        Timing("search, batched", "dense", 10, 1.0),
        Timing("search, batched", "bm25", 10, 3.0),
        Timing("ingest", "all", 0, 0.5, skipped=100),
        LOCAL,
        REMOTE,
    ]
    stages = [stage.to_dict() for stage in stage_costs(timings, PRICES)]
    assert [stage["stage"] for stage in stages] == ["encode documents", "ingest", "search, batched", "rerank"]
    encode, ingest, search, rerank = stages
    assert (encode["item"], encode["items"], encode["seconds"]) == ("document", 150, 24.0)
    assert encode["seconds_per_item"] == pytest.approx(0.16)
    assert encode["cost"] == pytest.approx(0.0035)
    assert encode["cost_per_1000"] == pytest.approx(0.0035 / 150 * 1000)
    assert (ingest["seconds_per_item"], ingest["cost_per_1000"]) == (None, None)
    assert (search["item"], search["seconds_per_item"], search["cost"]) == ("query", 0.2, pytest.approx(0.0004))
    assert (rerank["item"], rerank["cost"]) == ("pair", pytest.approx(0.0008))


def test_a_stage_of_which_one_cost_is_unknown_has_none():
    (stage,) = stage_costs([LOCAL, REMOTE], Prices(0.36))
    assert (stage.seconds, stage.cost) == (24.0, None)


class Client:
    """A client of a provider that counts a token per word; where `states` is False, its responses state none."""

    dim = 2

    def __init__(self, states=True):
        self.usage, self.states = Usage(1, 4, 0), states

    def encode_documents(self, documents):
        self.usage = self.usage.plus(sum(len(text.split()) for text in documents) if self.states else None)
        return np.ones((len(documents), 2), np.float32)

    encode_queries = encode_documents


@pytest.mark.parametrize(("states", "tokens"), [(True, [2, 5]), (False, [None, None])])
def test_tokens_are_those_of_the_requests_of_a_stage(tmp_path, states, tokens):
    documents = Documents.of(["a", "b"], ["one two three", "four five"])
    data = LoadedDataset("toy", "0", documents, {"q": "six seven"}, {"q": {"a": 1}})
    encoder = Encoder(DenseField("remote", 2), Client(states), {}, cached=False)
    plan = RunPlan([encoder], [System("remote", ("remote",), "")], cache=tmp_path)
    timings = encode_dataset(plan, data, tmp_path / "shards", False).timings
    assert [(timing.stage, timing.remote, timing.tokens) for timing in timings] == [
        ("encode queries", True, tokens[0]),
        ("encode documents", True, tokens[1]),
    ]


@pytest.mark.parametrize("name", ["dense", "openai:other"])
def test_a_price_of_tokens_needs_a_remote_system_of_the_run(toy_folder, tmp_path, name):
    settings = systems.Settings(price_per_million_tokens={name: 0.02})
    with pytest.raises(ValueError, match=f"expected remote systems of this run .openai:m., got {name}"):
        systems.run(open_dataset(f"beir:{toy_folder}"), ["dense", "openai:m"], tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["0.02", "openai:m=cheap", "openai:m="])
def test_the_option_names_system_and_price(tmp_path, option):
    arguments = ["run", "--dataset", f"beir:{tmp_path}", "--price-per-million-tokens", option]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "SYSTEM=PRICE" in result.output


def test_results_have_costs_and_stages(toy_folder, tmp_path):
    arguments = ["run", "--dataset", f"beir:{toy_folder}", "--systems", "bm25", "--out", str(tmp_path / "out"), "-q"]
    result = CliRunner().invoke(app, [*arguments, "--price-per-hour", "3600"])
    assert result.exit_code == 0, result.output
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    for timing in results["timings"]:
        assert timing["cost"] == pytest.approx(timing["seconds"])
    assert [stage["stage"] for stage in results["stages"]] == [
        "fit",
        "encode queries",
        "encode documents",
        "ingest",
        "search, batched",
    ]
    assert "cost" in result.output


@pytest.fixture
def toy_folder(tmp_path):
    folder = tmp_path / "toy"
    (folder / "qrels").mkdir(parents=True)
    documents = {"a": "Mars is the red planet.", "b": "Bread is baked in an oven.", "c": "Jupiter is a giant planet."}
    rows = [json.dumps({"_id": key, "title": "", "text": text}) for key, text in documents.items()]
    (folder / "corpus.jsonl").write_text("\n".join(rows) + "\n")
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "red planet"}) + "\n")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\ta\t1\n")
    return folder
