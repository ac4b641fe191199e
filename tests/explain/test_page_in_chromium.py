"""The page in a browser: every panel is drawn, every control works, the numbers are those that Python computes."""

from collections import Counter
from html import unescape
from typing import Any

import numpy as np
import pytest
from browser import SCHEMES, WIDTHS, cells, serious_faults, until

from refimpl.explain import page
from refimpl.search.exact import search_dense
from refimpl.search.fusion import rrf, weighted
from refimpl.search.topk import TopK, best, stack
from refimpl.sparse.bm25 import VARIANTS

SETTINGS = [(k1, b) for k1 in (0.0, 0.4, 0.9, 1.2, 1.5, 2.0, 3.0) for b in (0.0, 0.35, 0.75, 1.0)]

SET_ALL = """settings => {
  const set = (name, value) => {
    const control = document.getElementById(`lexical-${name}`);
    control.value = String(value);
    control.dispatchEvent(new Event("input"));
  };
  const scores = () => [...document.querySelectorAll("[data-table=lexical-2] tbody tr")].map(
    row => Number(row.querySelector("td").dataset.value));
  return settings.map(([variant, k1, b]) => { set("variant", variant); set("k1", k1); set("b", b); return scores(); });
}"""


FOCUSED = """() => {
  const here = document.activeElement, name = here.id || here.ariaLabel || here.getAttribute("href") || here.tagName;
  return [name, getComputedStyle(here).outlineStyle];
}"""


def expected_scores(scene: Any, variant: str, k1: float, b: float) -> list[float]:
    """BM25 in Python, float64, summed over the question's terms."""
    formula, statistics = VARIANTS[variant], scene.statistics
    idf = statistics.idf(formula, 0.25)
    query_terms = Counter(scene.analyzer(scene.question.text))
    scores = []
    for document in scene.documents:
        tokens = scene.analyzer(document.text)
        score = 0.0
        for term, count in query_terms.items():
            if (tf := tokens.count(term)) > 0:
                length = np.array([len(tokens)])
                weight = formula.tf(np.array([tf]), length, statistics.avgdl(formula), k1, b, formula.delta)
                score += count * idf[statistics.vocabulary[term]] * weight[0]
        scores.append(score)
    return scores


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_panel_is_drawn_within_the_width_and_axe_finds_no_serious_fault(
    page_file, opened, panel_data, width, scheme
) -> None:
    tab = opened(page_file, width, scheme)
    assert tab.locator("[data-panel]").count() == len(panel_data) == 12
    for key in panel_data:
        host = tab.locator(f"[data-panel={key}]")
        assert host.locator(".summary").inner_text().strip(), key
        assert tab.locator(f"#{key} .look").inner_text().startswith("Look for"), key
        for chart in host.locator(".chart").all():
            assert chart.locator("svg path, svg text").count() > 10, key
            assert chart.get_attribute("aria-label")
        assert host.locator(".chart svg, .chip, table tbody tr").count() > 0, key
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    sizes = tab.eval_on_selector_all("svg text", "all => all.map(one => parseFloat(getComputedStyle(one).fontSize))")
    assert min(sizes) >= 11, "letters in figures must stay legible"
    paper = {"light": "rgb(251, 251, 249)", "dark": "rgb(22, 24, 27)"}[scheme]
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == paper
    assert serious_faults(tab) == []


def test_layer_head_and_token_change_the_map_and_the_summary(page_file, opened, scene) -> None:
    tab = opened(page_file)
    maps = set()
    for layer, head in ((0, 0), (0, 7), (5, 7), (3, 11)):
        tab.select_option("#attention-layer", str(layer))
        tab.select_option("#attention-head", str(head))
        tab.select_option("#attention-token", "4")
        row = scene.trace[f"layer.{layer}.attention_probs"][0, head, 4]
        most = int(row.argmax())
        summary = tab.locator("[data-panel=attention] .summary").inner_text()
        assert summary.startswith(f"Layer {layer + 1}, head {head + 1}: ‘{scene.question.tokens[4]}’ attends to")
        assert f"‘{scene.question.tokens[most]}’ {float(f'{row[most]:.4g}'):g}" in summary
        until(
            tab,
            "label => document.querySelector('[data-chart=attention-1]').ariaLabel === label",
            f"Attention of layer {layer + 1}, head {head + 1}: rows are queries, columns keys",
        )
        tab.wait_for_timeout(150)
        maps.add(tab.locator("[data-chart=attention-1] svg").inner_html())
    assert len(maps) == 4


def test_the_attention_of_a_document_is_shown(page_file, opened, scene, minilm64) -> None:
    tab = opened(page_file)
    for number, layer, head, token in ((2, 3, 4, 5), (4, 0, 7, 9)):
        document = scene.documents[number - 1]
        probs = minilm64.trace(document.text)[f"layer.{layer}.attention_probs"][0, head, token]
        tab.select_option("#attention-text", str(number))
        tab.select_option("#attention-layer", str(layer))
        tab.select_option("#attention-head", str(head))
        tab.select_option("#attention-token", str(token))
        summary = tab.locator("[data-panel=attention] .summary").inner_text()
        first = f"Document {number}. Layer {layer + 1}, head {head + 1}: ‘{document.tokens[token]}’ attends to "
        assert summary.startswith(first)
        largest = float(summary.removeprefix(first).split(",")[0].rpartition(" ")[2])
        shown = np.append(probs[:32], probs[32:].sum())  # the rest is one column
        assert abs(largest - shown.max()) < 1e-3
    rest = len(scene.documents[3].tokens) - 32
    assert rest > 0
    until(tab, f"document.querySelector('[data-chart=attention-2] svg').innerHTML.includes('{rest} more')")


def test_what_if_shows_the_ranks_before_and_after_of_each_ranking(page_file, opened, panel_data) -> None:
    tab = opened(page_file)
    changes = panel_data["what-if"]["changes"]
    before = changes[0]
    for number, change in enumerate(changes[1:], start=1):
        tab.select_option("#what-if-change", str(number))
        for ranking, name in (("dense", "MiniLM"), ("lexical", "BM25")):
            tab.select_option("#what-if-ranking", ranking)
            after, earlier = (
                [-np.inf if score is None else score for score in one[ranking]] for one in (change, before)
            )
            summary = tab.locator("[data-panel=what-if] .summary").inner_text()
            first = f"first by {name} is Document {int(np.argmax(after)) + 1}"
            same = np.argmax(after) == np.argmax(earlier)
            assert summary.startswith(f"{change['name']}: {first}{', as before' if same else ' instead of'}"), summary
    orders = cells(tab, "what-if-2", 2)
    expected = ["\u00a0".join(str(i + 1) for i in np.argsort(-np.array(change["dense"]))) for change in changes]
    assert orders == expected
    differences = [np.abs(np.array(change["dense"]) - before["dense"]).max() for change in changes]
    np.testing.assert_allclose([float(value) for value in cells(tab, "what-if-2", 6)], differences, rtol=1e-12, atol=0)


def test_both_models_are_side_by_side(page_file, opened, scene, panel_data) -> None:
    tab = opened(page_file)
    np.testing.assert_allclose([float(v) for v in cells(tab, "models-4", 2)], scene.cosines, rtol=0, atol=1e-12)
    splade = [document["score"] for document in panel_data["splade"]["documents"]]
    np.testing.assert_allclose([float(v) for v in cells(tab, "models-4", 4)], splade, rtol=1e-12)
    for column, scores in ((3, scene.cosines), (5, np.array(splade))):
        ranks = [int(rank) for rank in cells(tab, "models-4", column)]
        assert list(np.argsort(ranks)) == list(np.argsort(-scores, kind="stable"))
    for chart in ("models-2", "models-3"):
        assert tab.locator(f"[data-chart={chart}] .mark-rect.role-mark path").count() == 6 * 6


def test_printed_nothing_is_cut(page_file, opened) -> None:
    tab = opened(page_file, 700)  # about the width of A4 without its margins
    tab.emulate_media(media="print")
    assert tab.locator(".controls:visible, nav:visible").count() == 0
    cut = """() => [...document.querySelectorAll(".scroller, .text, pre")].filter(
      box => box.scrollWidth > box.clientWidth + 1 || getComputedStyle(box).overflowY !== "visible"
    ).map(box => box.outerHTML.slice(0, 120))"""
    assert tab.evaluate(cut) == []
    assert tab.evaluate("document.documentElement.scrollWidth") == 700


def test_hovering_over_a_row_shows_what_its_token_attends_to(page_file, opened, scene) -> None:
    tab = opened(page_file)
    cells_of_map = tab.locator("[data-chart=attention-1] .mark-rect.role-mark path")
    tokens = len(scene.question.tokens)
    assert cells_of_map.count() == tokens * tokens
    cells_of_map.nth(6 * tokens + 2).hover()
    until(tab, "document.getElementById('attention-token').value === '6'")
    summary = tab.locator("[data-panel=attention] .summary").inner_text()
    assert f"‘{scene.question.tokens[6]}’ attends to" in summary
    tooltip = tab.locator("#vg-tooltip-element").inner_text()
    assert scene.question.tokens[2] in tooltip
    assert f"{scene.trace['layer.0.attention_probs'][0, 0, 6, 2]:.4f}"[:5] in tooltip


def test_bm25_in_the_page_is_bm25_in_python_for_every_variant_and_setting(page_file, opened, scene) -> None:
    tab = opened(page_file)
    settings = [[variant, k1, b] for variant in VARIANTS for k1, b in SETTINGS]
    scores = np.array(tab.evaluate(SET_ALL, settings))
    expected = np.array([expected_scores(scene, *setting) for setting in settings])
    assert scores.shape == (8 * 28, 5)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-12)  # observed 2e-15
    assert len(np.unique(scores[:, 3].round(9))) > 100, "the settings must matter"


def test_the_slider_moves_by_keyboard_and_the_page_follows(page_file, opened, scene) -> None:
    tab = opened(page_file)
    tab.select_option("#lexical-variant", "lucene")
    tab.focus("#lexical-k1")
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    tab.focus("#lexical-b")
    tab.keyboard.press("Home")
    assert tab.input_value("#lexical-k1") == "1.65"
    assert tab.locator("label[for=lexical-b] output").inner_text() == "0"
    scores = [float(value) for value in cells(tab, "lexical-2", 2)]
    np.testing.assert_allclose(scores, expected_scores(scene, "lucene", 1.65, 0.0), rtol=0, atol=1e-12)
    assert cells(tab, "lexical-2", 3)[4] == "no query term"


def routes(scene: Any, scores: list[float]) -> list[TopK]:
    dense = search_dense(scene.question.vector[None], np.stack([d.vector for d in scene.documents]), 5)
    matching = np.flatnonzero(np.array(scores))
    return [dense, stack([best(matching, np.array(scores)[matching], 5)], 5)]


def test_fusion_equals_the_librarys_and_follows_the_sliders_of_bm25(page_file, opened, scene) -> None:
    tab = opened(page_file)
    tab.evaluate(SET_ALL, [["bm25+", 0.9, 0.4]])
    tab.fill("#fusion-k", "20")
    tab.fill("#fusion-weight", "0.3")
    both = routes(scene, expected_scores(scene, "bm25+", 0.9, 0.4))
    by_rank = rrf(both, 5, rrf_k=20)
    by_weight = weighted(both, [0.3, 0.7], ["IP", "IP"], 5)
    for table, column, fused in (("fusion-2", 5, by_rank), ("fusion-3", 6, by_weight)):
        scores = [float(value) for value in cells(tab, table, column)]
        np.testing.assert_allclose(np.array(scores)[fused.ids[0]], fused.scores[0], rtol=0, atol=1e-12)
        ranks = [int(rank) for rank in cells(tab, table, column + 1)]
        assert list(np.argsort(ranks)) == fused.ids[0].tolist()
    assert cells(tab, "fusion-2", 4)[4] == "1/(20 + 5) + 0"


def test_numbers_on_the_page_are_the_oracles(page_file, opened, scene) -> None:
    tab = opened(page_file)
    np.testing.assert_allclose([float(v) for v in cells(tab, "pooling-2", 2)], scene.cosines, rtol=0, atol=1e-12)
    for number in range(len(scene.documents) + 1):
        tab.select_option("#pooling-against", str(number))
        total = 1.0 if number == 0 else scene.cosines[number - 1]
        summary = tab.locator("[data-panel=pooling] .summary").inner_text()
        assert f": {float(f'{total:.4g}'):g}" in summary.replace("sum to ", ": ")
    late = [float(value) for value in cells(tab, "reranking-2", 4)]
    from refimpl import MaxSimRerankFunction

    texts = [document.text for document in scene.documents]
    expected = MaxSimRerankFunction(dtype="float64").scores(scene.question.text, texts)
    np.testing.assert_allclose(late, expected, rtol=0, atol=1e-12)


def test_the_keyboard_reaches_every_control_and_shows_where_it_is(page_file, opened) -> None:
    tab = opened(page_file)
    controls = set(tab.eval_on_selector_all("select, input", "all => all.map(one => one.id)"))
    reached, without_outline = [], []
    for _ in range(300):
        tab.keyboard.press("Tab")
        here = tab.evaluate(FOCUSED)
        if here[0] == "BODY":
            break
        reached.append(here[0])
        if here[1] == "none":
            without_outline.append(here[0])
    assert len(controls) == 18
    assert controls <= set(reached)
    assert without_outline == []
    assert reached[0] == "#tokens", "the first stop skips the header"
    order = [name for name in reached if name in controls]
    assert order == tab.eval_on_selector_all("select, input", "all => all.map(one => one.id)")


def test_a_link_to_the_code_opens_it(page_file, opened) -> None:
    tab = opened(page_file)
    tab.click("a[href='#source-self_attention']")
    code = tab.locator("details:has(#source-self_attention) pre")
    code.wait_for(state="visible")
    assert "def self_attention(" in code.inner_text()
    for link in tab.eval_on_selector_all("a[href^='#']", "all => all.map(one => one.getAttribute('href').slice(1))"):
        assert tab.evaluate("id => document.getElementById(id) !== null", link), link


def test_another_colour_scheme_or_width_redraws(page_file, opened) -> None:
    tab = opened(page_file)
    tab.emulate_media(color_scheme="dark")
    until(tab, "document.querySelector('[data-chart=gelu-1] svg').outerHTML.includes('#fb923c')")
    tab.set_viewport_size({"width": 380, "height": 900})
    until(tab, "document.querySelector('[data-chart=gelu-1] svg').getBoundingClientRect().width < 380")
    assert tab.evaluate("document.documentElement.scrollWidth") == 380


def test_the_page_is_small_and_self_contained(page_file) -> None:
    assert page_file.stat().st_size < 2_000_000  # Vega alone is 0.9 MB
    policy = unescape(page_file.read_text(encoding="utf-8").partition("Content-Security-Policy")[2][:400])
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == 2
    assert "unsafe-eval" not in policy
    assert page.as_script_data({"a": "</script>\u2028&"}) == '{"a":"\\u003c/script\\u003e\\u2028\\u0026"}'
