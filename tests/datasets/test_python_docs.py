import subprocess
import sys
from pathlib import Path

import pytest

from refimpl.datasets import DatasetError, fingerprint, open_dataset
from refimpl.datasets.python_docs import PythonDocs, judgements, parsed, questions

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def docs():
    return open_dataset("python-docs")


def test_every_judged_name_exists_in_the_corpus(docs):
    ids = {document.id for document in docs.documents()}
    judged = {doc_id for judgement in judgements().values() for doc_id in judgement}
    assert judged - ids == set()


def test_every_question_has_qrels_and_an_answer(docs):
    assert 55 <= len(questions()) <= 80
    assert questions().keys() == judgements().keys() == docs.queries().keys()
    assert all(2 in judged.values() for judged in judgements().values())
    assert {relevance for judged in judgements().values() for relevance in judged.values()} == {1, 2}
    assert len(set(questions().values())) == len(questions())


def test_there_are_several_thousand_documents_with_unique_ids(docs):
    documents = list(docs.documents())
    assert len(documents) > 5000
    assert len({document.id for document in documents}) == len(documents)
    assert all(document.text.startswith(document.id) for document in documents)
    assert not any(" at 0x" in document.text.splitlines()[0] for document in documents)


@pytest.mark.parametrize(
    ("name", "first_line", "words"),
    [
        ("numpy.linalg.norm", "numpy.linalg.norm(x, ord, axis, keepdims)", "Matrix or vector norm."),
        ("str.split", "str.split(sep, maxsplit)", "substrings"),  # compiled
        ("numpy.concatenate", "numpy.concatenate", "Join a sequence of arrays along an existing axis."),  # has an alias
        ("random.choice", "random.choice(seq)", "Choose a random element"),  # a method under a module's name
        ("os.path.join", "os.path.join(a, p)", "Join two or more pathname components"),
        ("requests.Session.get", None, None),
        ("requests.sessions.Session.get", "requests.sessions.Session.get(url, kwargs)", "Sends a GET request."),
    ],
)
def test_public_names_are_the_ids(docs, name, first_line, words):
    texts = {document.id: document.text for document in docs.documents()}
    if first_line is None:
        assert name not in texts
        return
    assert texts[name].splitlines()[0].startswith(first_line.removesuffix(", kwargs)"))
    assert words in texts[name]


def test_another_process_yields_the_same_documents(docs):
    """Independent of hash randomisation and of patches by other imports, such as torch's of `inspect`."""
    script = (
        "import inspect; inspect.getfile = None\n"
        "from refimpl.datasets import open_dataset, fingerprint\n"
        "d = open_dataset('python-docs'); print(fingerprint(d.documents(), d.queries(), d.qrels()))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == fingerprint(docs.documents(), docs.queries(), docs.qrels())


def test_packages_beyond_the_core_are_parsed_without_running_their_code(tmp_path, monkeypatch):
    package = tmp_path / "explosive"
    (package / "tests").mkdir(parents=True)
    (package / "__init__.py").write_text('"""A package that must not be imported."""\nraise SystemExit("imported")\n')
    (package / "tests" / "test_it.py").write_text('def test_it():\n    """Tests are no documentation."""\n')
    (package / "broken.py").write_text("def (:\n")
    (package / "tools.py").write_text(
        'class Hammer:\n    """Hits the nail upon its head."""\n'
        '    def hit(self, nail, *, force=1):\n        """Hit the nail with that force."""\n'
        '    def _aim(self):\n        """Private, and so not listed."""\n'
        'async def fetch(url, /):\n    """Fetch what the address holds."""\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert [(entry.name, entry.parameters) for entry in parsed("explosive")] == [
        ("explosive", ""),
        ("explosive.tools.Hammer", ""),
        ("explosive.tools.fetch", "(url)"),
        ("explosive.tools.Hammer.hit", "(nail, force)"),
    ]


def test_a_users_file_named_like_a_standard_module_is_not_run(tmp_path, monkeypatch):
    (tmp_path / "tabnanny.py").write_text("raise SystemExit('the wrong file ran')\n")
    monkeypatch.chdir(tmp_path)
    names = {document.id for document in PythonDocs(["stdlib"]).documents()}
    assert "tabnanny.check" in names


def test_packages_can_be_selected_with_their_qrels():
    numpy_only = PythonDocs(["numpy"])
    assert {document.id.split(".")[0] for document in numpy_only.documents()} == {"numpy"}
    assert 0 < len(numpy_only.queries()) < len(questions())
    assert all(name.startswith("numpy") for judged in numpy_only.qrels().values() for name in judged)
    assert numpy_only.name == "python-docs:numpy"


@pytest.mark.parametrize("package", ["no_such_package_here", "os.path", "../numpy", ""])
def test_a_missing_package_raises_with_its_name(package):
    with pytest.raises(DatasetError, match="no package"):
        list(PythonDocs([package]).documents())
