import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.datasets import (
    KINDS,
    Dataset,
    DatasetError,
    DatasetKind,
    Document,
    fingerprint,
    names_of_datasets,
    open_dataset,
)
from refimpl.explain.collection import read

COLLECTIONS = Path(__file__).parents[3] / "shared" / "collections"
CORPUS = ['{"_id": "d1", "title": "Näme", "text": "one 東京"}', '{"_id": "d2", "title": "", "text": "two"}']
QUERIES = ['{"_id": "q1", "text": "first?"}', '{"_id": "q2", "text": "without qrels"}']
QRELS = ["query-id\tcorpus-id\tscore", "q1\td1\t2", "q1\td2\t0"]


def folder(tmp_path, corpus=CORPUS, queries=QUERIES, qrels=QRELS):
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text("\n".join(corpus) + "\n", encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text("\n".join(queries) + "\n", encoding="utf-8")
    (tmp_path / "qrels" / "test.tsv").write_text("\n".join(qrels) + "\n", encoding="utf-8")
    return f"beir:{tmp_path}"


def test_title_and_text_are_joined_as_in_beir(tmp_path):
    dataset = open_dataset(folder(tmp_path))
    assert isinstance(dataset, Dataset)
    assert list(dataset.documents()) == [Document("d1", "Näme one 東京"), Document("d2", "two")]
    assert list(dataset.documents()) == list(dataset.documents())
    assert dataset.queries() == {"q1": "first?"}
    assert dataset.qrels() == {"q1": {"d1": 2, "d2": 0}}


def test_blank_lines_a_missing_header_a_missing_title_and_a_bom_are_accepted(tmp_path):
    name = folder(tmp_path, corpus=['\ufeff{"_id": "d1", "text": "one"}', "", "  "], qrels=QRELS[1:2])
    dataset = open_dataset(name)
    assert list(dataset.documents()) == [Document("d1", "one")]
    assert dataset.qrels() == {"q1": {"d1": 2}}


BAD_CORPUS = [
    ("{", "the line is not valid JSON"),
    ("[" * 100_000, "expected at most 100 nested"),
    ('{"_id": "d9", "text": "x", "n": 1e400}', "beyond a float's range"),
    ('{"_id": "d9", "text": "x", "text": "y"}', "the name 'text' occurs twice"),
    ('{"_id": "d9", "text": "\\ud800"}', "a lone surrogate"),
    ('{"_id": "d 9", "text": "x"}', "'_id' must have no white space"),
    ('{"_id": "d9\\r", "text": "x"}', "'_id' must have no white space"),
    ('{"_id": "' + "é" * 257 + '", "text": "x"}', "'_id' must have at most 512 bytes, got 514"),
    ('\ufeff{"_id": "d9", "text": "x"}', "the line is not valid JSON"),
    ("[1]", "expected a JSON object, got list"),
    ('{"text": "x"}', "'_id' is missing"),
    ('{"_id": 7, "text": "x"}', "'_id' must be a string, got int"),
    ('{"_id": "", "text": "x"}', "'_id' is empty"),
    ('{"_id": "d9", "text": null}', "'text' must be a string, got NoneType"),
    ('{"_id": "d9", "title": 3, "text": "x"}', "'title' must be a string, got int"),
    ('{"_id": "d1", "text": "again"}', "'d1' occurs on an earlier line"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_CORPUS)
def test_a_malformed_line_raises_with_file_and_line_or_is_listed(tmp_path, line, reason):
    name = folder(tmp_path, corpus=[CORPUS[0], line, CORPUS[1]])
    with pytest.raises(DatasetError, match=r"^corpus\.jsonl, line 2: .*--skip-bad") as caught:
        list(open_dataset(name).documents())
    assert reason in str(caught.value)

    lenient = open_dataset(name, skip_bad=True)
    assert [document.id for document in lenient.documents()] == ["d1", "d2"]
    list(lenient.documents())
    assert [(bad.file, bad.line) for bad in lenient.bad.lines] == [("corpus.jsonl", 2)]
    assert reason in lenient.bad.lines[0].reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("q1\td1", "expected 3 tab-separated columns"),
        ("q1 d1 1", "got 1"),
        ("q1\td1\tyes", "an integer of at most 9 digits, got 'yes'"),
        ("q1\td1\t1_0", "an integer"),
        ("q1\td1\t١", "an integer"),
        ("q1\td1\t" + "9" * 5000, "an integer"),
        ("q1\td 1\t1", "the corpus-id must have no white space"),
        ("q 1\td1\t1", "the query-id must have no white space"),
        ("q1\t" + "d" * 513 + "\t1", "the corpus-id must have at most 512 bytes"),
        ("\td1\t1", "the query-id is empty"),
        ("q1\td1\t1.5", "an integer"),
        ("q1\td1\t1", "another score on an earlier line"),
    ],
)
def test_a_malformed_judgement_raises_with_file_and_line_or_is_listed(tmp_path, line, reason):
    name = folder(tmp_path, qrels=[*QRELS, line])
    with pytest.raises(DatasetError, match=r"^qrels/test\.tsv, line 4: ") as caught:
        open_dataset(name).qrels()
    assert reason in str(caught.value)
    lenient = open_dataset(name, skip_bad=True)
    assert lenient.qrels() == {"q1": {"d1": 2, "d2": 0}}
    assert len(lenient.bad.lines) == 1


def test_bytes_that_are_not_utf8_are_reported_with_their_line(tmp_path):
    name = folder(tmp_path)
    with (tmp_path / "corpus.jsonl").open("ab") as stream:
        stream.write(b'{"_id": "d3", "text": "caf\xe9"}\n')
    with pytest.raises(DatasetError, match=r"corpus\.jsonl, line 3: not UTF-8"):
        list(open_dataset(name).documents())


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_bytes_give_documents_or_a_dataset_error(tmp_path_factory, lines):
    folder(here := tmp_path_factory.mktemp("beir"))
    (here / "corpus.jsonl").write_bytes(b"\n".join(lines))
    assert all(isinstance(d, Document) for d in open_dataset(f"beir:{here}", skip_bad=True).documents())
    with contextlib.suppress(DatasetError):
        list(open_dataset(f"beir:{here}").documents())


def test_a_missing_file_or_split_raises_with_the_existing_splits(tmp_path):
    with pytest.raises(DatasetError, match=r"no corpus\.jsonl"):
        open_dataset(f"beir:{tmp_path}")
    name = folder(tmp_path)
    with pytest.raises(DatasetError, match=r"no qrels/dev\.tsv \(qrels has test\)"):
        open_dataset(name, split="dev")


@pytest.mark.parametrize("name", ["nfcorpus", "beir", "beir:", "csv:x", "", "ir:"])
def test_another_form_of_name_raises_with_the_forms(name):
    with pytest.raises(DatasetError, match=r"expected a data set of the form beir:PATH, ir:ID, python-docs\[:NAMES\]"):
        open_dataset(name)


def test_every_kind_is_in_the_registry_with_its_form_and_help():
    assert names_of_datasets() == "beir:PATH, ir:ID, python-docs[:NAMES]"
    assert all(kind.help for kind in KINDS.values())


def test_a_new_kind_is_one_entry_of_the_registry(tmp_path, monkeypatch):
    def factory(argument, options):
        dataset = open_dataset(f"beir:{tmp_path}", split=options.split, skip_bad=options.skip_bad)
        dataset.name = argument
        return dataset

    folder(tmp_path)
    monkeypatch.setitem(KINDS, "csv", DatasetKind(factory, ":FILE", "a CSV file"))
    assert open_dataset("csv:a:b.csv", skip_bad=True).name == "a:b.csv"
    assert open_dataset("csv:a:b.csv", skip_bad=True).bad.skip
    assert [d.id for d in open_dataset("csv:x").documents()] == ["d1", "d2"]
    assert read("csv:x").ids == ["d1", "d2"]  # the explainer's documents
    with pytest.raises(
        DatasetError, match=r"expected a file, a BEIR folder, or a data set \(.*, csv:FILE\), got 'other'"
    ):
        read("other")
    for name in ("csv", "csv:", "other:x"):
        with pytest.raises(DatasetError, match=r"beir:PATH, .*, csv:FILE, got"):
            open_dataset(name)


def test_the_fingerprint_changes_with_any_field_and_with_the_ends_of_fields(tmp_path):
    def of(documents, queries, qrels):
        return fingerprint(iter(documents), queries, qrels)

    base = of([Document("d1", "ab")], {"q": "x"}, {"q": {"d1": 1}})
    assert len(base) == 64
    others = [
        of([Document("d1a", "b")], {"q": "x"}, {"q": {"d1": 1}}),
        of([Document("d1", "ac")], {"q": "x"}, {"q": {"d1": 1}}),
        of([Document("d1", "ab")], {"q": "y"}, {"q": {"d1": 1}}),
        of([Document("d1", "ab")], {"q": "x"}, {"q": {"d1": 2}}),
        of([], {"q": "x"}, {"q": {"d1": 1}}),
    ]
    assert len({base, *others}) == 6


@pytest.mark.parametrize(("name", "documents", "queries"), [("nfcorpus", 3633, 323), ("cranfield", None, None)])
def test_the_collections_with_published_figures_have_their_published_sizes(name, documents, queries):
    if not (COLLECTIONS / name).is_dir():
        pytest.skip(f"collection {name} is missing (../shared/collections)")
    dataset = open_dataset(f"beir:{COLLECTIONS / name}")
    rows = (COLLECTIONS / name / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    assert [d.id for d in dataset.documents()] == [json.loads(row)["_id"] for row in rows]
    if documents:
        assert (len(rows), len(dataset.queries())) == (documents, queries)
