"""Chinese, Japanese and Korean analyzers against pymilvus.model's, term by term, on JupyterLab's translations."""

import copy
import json
import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from language_texts import translations

from refimpl import BM25EmbeddingFunction, build_analyzer, build_analyzer_from_yaml, build_default_analyzer
from refimpl.sparse.analyzers.build import CJK, LANGUAGES
from refimpl.sparse.bm25.tokenizers import JiebaTokenizer, KiwiTokenizer, MecabTokenizer

pytestmark = [
    pytest.mark.peer,
    pytest.mark.usefixtures("nltk_data_path"),
    pytest.mark.filterwarnings("ignore::refimpl.sparse.bm25.BM25WeightWarning"),
]
UNUSUAL = ["", " \n\t", "...", "\x1c\x1f", "!?" * 300, "a" * 1000, "漢" * 2000, "é한ー字", "그랬엌ㅋㅋ"]
KIWI = "kiwi: {tokenizer: {class: KiwiTokenizer, params: {}}, filters: [{class: StopwordFilter, params: {}}]}"


@pytest.fixture
def theirs(monkeypatch):
    """pymilvus.model's tokenizers, which would install packages: unidic-lite each time, as it is no module's name."""
    from pymilvus.model.sparse.bm25 import tokenizers

    for name in ("jieba", "mecab", "konlpy", "kiwi", "unidic_lite"):
        monkeypatch.setattr(tokenizers, f"import_{name}", lambda: None)
    return tokenizers


@pytest.mark.parametrize("code", ["zh", "jp"])
def test_terms_of_1000_translations_equal_pymilvus_models(code, theirs):
    ours, published = build_default_analyzer(code), theirs.build_default_analyzer(code)
    texts = translations(code)
    assert len(texts) >= 1000
    for text in [*texts, *UNUSUAL]:
        assert ours(text) == published(text), text


def test_terms_by_kiwi_equal_pymilvus_models(tmp_path, theirs, monkeypatch):
    """It loads Kiwi anew for each text, for seconds; here once."""
    import kiwipiepy

    monkeypatch.setattr(kiwipiepy, "Kiwi", cache(kiwipiepy.Kiwi))
    (tmp_path / "kiwi.yaml").write_text(KIWI)
    ours = build_analyzer_from_yaml(tmp_path / "kiwi.yaml", "kiwi")
    published = theirs.build_analyzer_from_yaml(tmp_path / "kiwi.yaml", "kiwi")
    texts = translations("kr")[:1000]
    assert len(texts) == 1000
    for text in [*texts, *UNUSUAL]:
        assert ours(text) == published(text), text


KOREAN = """
import json, os, pickle, sys
sys.path[:0] = {path!r}
from functools import cache

import konlpy.tag
import nltk
from language_texts import translations
from pymilvus.model.sparse.bm25 import tokenizers
from refimpl import build_default_analyzer, models

nltk.data.path.insert(0, str(models.path("nltk-data")))
tokenizers.import_konlpy = lambda: None
konlpy.tag.Kkma = cache(konlpy.tag.Kkma)  # they load it anew for each text
ours, theirs = build_default_analyzer("kr"), tokenizers.build_default_analyzer("kr")
texts = translations("kr")[:1000]
equal = [ours(text) == theirs(text) for text in texts]
pickled = pickle.dumps(ours)
equal_copies = pickle.loads(pickled)(texts[0]) == ours(texts[0])
pipe, end = os.pipe()
if not os.fork():
    try:
        pickle.loads(pickled)
    except OSError as error:
        os.write(end, str(error).encode())
    os._exit(0)
os.close(end)
in_fork = os.read(pipe, 1000).decode()
terms = sum(len(ours(text)) for text in texts[:100])
print(json.dumps([len(equal), sum(equal), terms, equal_copies, ours("\\ud800 대학"), in_fork]))
"""


@pytest.mark.slow
def test_korean_nouns_of_1000_translations_equal_pymilvus_models():
    """In a process of its own, as Java stays in a process for good."""
    path = [str(Path(__file__).parents[1] / "helpers"), str(Path(__file__).parents[2])]
    done = subprocess.run([sys.executable, "-c", KOREAN.format(path=path)], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    texts, equal, terms, equal_copies, of_a_surrogate, in_fork = json.loads(done.stdout.splitlines()[-1])
    assert (texts, equal, equal_copies, of_a_surrogate) == (1000, 1000, True, ["대학"])
    assert terms > 100
    assert "does not survive a fork" in in_fork


@pytest.mark.parametrize("code", [*LANGUAGES, "zh", "jp"])
def test_the_steps_are_those_of_pymilvus_models_yaml(code, theirs):
    file = Path(theirs.__file__).with_name("lang.yaml")
    by_yaml, built = build_analyzer_from_yaml(file, code), build_default_analyzer(code)
    assert by_yaml.fingerprint.partition(":")[2] == built.fingerprint.partition(":")[2]


# By the packages' own documentation
@pytest.mark.parametrize(
    ("tokenizer", "text", "tokens"),
    [
        (JiebaTokenizer, "我来到北京清华大学", ["我", "来到", "北京", "清华大学"]),
        (MecabTokenizer, "pythonが大好きです", ["python", "が", "大好き", "です"]),
    ],
)
def test_tokens_of_the_packages_documentations(tokenizer, text, tokens):
    assert tokenizer().tokenize(text) == tokens


@pytest.mark.parametrize("tokenizer", [MecabTokenizer, KiwiTokenizer])
def test_a_lone_surrogate_is_a_replacement_character(tokenizer):
    assert tokenizer().tokenize("a \ud800 b") == tokenizer().tokenize("a \ufffd b")


@pytest.mark.parametrize("code", ["zh", "jp"])
def test_a_copied_analyzer_gives_the_same_terms(code):
    analyzer = build_analyzer(f"pymilvus-{code}")
    text = translations(code)[5]
    for copied in (pickle.loads(pickle.dumps(analyzer)), copy.deepcopy(analyzer)):
        assert copied.fingerprint == analyzer.fingerprint
        assert copied(text) == analyzer(text)


@pytest.mark.parametrize(("tokenizer", "code"), [(JiebaTokenizer, "zh"), (MecabTokenizer, "jp"), (KiwiTokenizer, "kr")])
def test_several_processes_give_what_one_gives(tokenizer, code):
    texts = [text[:20] for text in translations(code)]
    texts = (texts * 3)[:2100]
    one = BM25EmbeddingFunction(tokenizer().tokenize, texts)
    two = BM25EmbeddingFunction(tokenizer().tokenize, texts, num_workers=2)
    assert list(one.idf.items()) == list(two.idf.items())


def test_every_language_of_another_package_is_compared():
    assert set(CJK) == {"zh", "jp", "kr"}
