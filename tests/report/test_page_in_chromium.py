"""The page in Debian's Chromium, without a network: on a desktop, on a phone and in print."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from browser import SCHEMES, WIDTHS, serious_faults
from report_results import HOSTILE, around, benchmarks, entry, full_run, run, saved

from refimpl import report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

OPTIONS = """
--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --hide-scrollbars
--disable-component-update --disable-sync --enable-logging=stderr --virtual-time-budget=5000
"""
PREFERRED = {"dark": 0, "light": 1}  # Blink's PreferredColorScheme
PHONE = 380

# The page itself may not run scripts, so another page contains it in a frame and measures it.
FRAME = """<!doctype html><body style="margin:0"><iframe width="{width}" height="900" style="border:0"></iframe>
<output></output><script>
const frame = document.querySelector("iframe");
frame.onload = () => {{
  const page = frame.contentDocument, root = page.documentElement;
  const hidden = element => element.closest("thead") && frame.contentWindow.getComputedStyle(
    element.closest("thead")).position === "absolute";
  const wide = [...page.querySelectorAll("body *")].filter(element => !element.closest("svg") && !hidden(element)
    && element.getBoundingClientRect().right > {width} + 0.5);
  const letters = [...page.querySelectorAll("svg text")].map(text => text.getBoundingClientRect());
  document.querySelector("output").textContent = JSON.stringify({{
    width: root.scrollWidth, wide: wide.map(element => element.outerHTML.slice(0, 80)),
    requests: frame.contentWindow.performance.getEntriesByType("resource").map(one => one.name),
    cell: frame.contentWindow.getComputedStyle(page.querySelector("td")).display,
    plots: page.querySelectorAll("svg.plot").length,
    outside: letters.filter(box => box.left < -0.5 || box.right > {width} + 0.5).length,
    letter: Math.min(...letters.map(box => box.height)),
    text: page.body.innerText, background: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
  }});
}};
frame.srcdoc = {page};
</script>"""


def browse(folder: Path, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    command = [CHROMIUM, *OPTIONS.split(), f"--user-data-dir={folder / 'profile'}", *options, file.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)


def measured(folder: Path, html: str, width: int, scheme: str = "light") -> dict[str, object]:
    """What the frame measured; fails on any message on the console."""
    page = json.dumps(html).replace("</", "<\\/")
    file = folder / "frame.html"
    file.write_text(FRAME.format(width=width, page=page), encoding="utf-8")
    scheme_option = f"--blink-settings=preferredColorScheme={PREFERRED[scheme]}"
    done = browse(folder, file, "--dump-dom", scheme_option, f"--window-size={max(width, 500)},900")
    messages = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not messages, messages
    output = re.search(r"<output>(.+?)</output>", done.stdout, re.DOTALL)
    assert output, done.stdout[:500]
    import html as entities

    return dict(json.loads(entities.unescape(output[1])))


def pages() -> dict[str, dict[str, object]]:
    result = benchmarks()
    result["benchmarks"] += [entry(HOSTILE, HOSTILE, around(1.0), unit="texts")]
    result["benchmarks"] += [entry("unbroken", "W" * 60, around(1.0), verdict="V" * 300)]
    return {"benchmarks": result, "run": full_run()}


@pytest.mark.parametrize("kind", pages())
def test_a_phone_shows_all_of_it_without_scrolling_sideways(tmp_path: Path, kind: str) -> None:
    html = report.render(saved(tmp_path, pages()[kind]), "html")
    measures = measured(tmp_path, html, PHONE, "dark")
    assert measures["width"] == PHONE
    assert measures["wide"] == []
    assert measures["outside"] == 0
    assert measures["requests"] == []
    assert measures["cell"] == "flex", "on a phone each row of a table is a card"
    assert isinstance(measures["letter"], float | int)
    assert measures["letter"] > 8, "letters in plots must stay legible"
    assert measures["background"] == "rgb(22, 24, 27)"


def test_a_desktop_shows_plots_and_hostile_text_as_text(tmp_path: Path) -> None:
    html = report.render(saved(tmp_path, pages()["benchmarks"]), "html")
    measures = measured(tmp_path, html, 1200)
    assert measures["plots"] == 6
    assert measures["wide"] == []
    assert HOSTILE in str(measures["text"])
    assert measures["background"] == "rgb(251, 251, 249)"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", pages())
def test_axe_finds_no_serious_fault(tmp_path: Path, opened: Any, kind: str, scheme: str, width: int) -> None:
    tab = opened(report.write(saved(tmp_path, pages()[kind]), tmp_path / "report.html"), width, scheme)
    assert tab.locator("svg.plot").count() >= 3
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert serious_faults(tab) == []


def test_the_order_of_systems_is_chosen_without_a_script(tmp_path: Path, opened: Any) -> None:
    result = run()
    for system in result["systems"].values():
        system["metrics"] = {"MRR@10": 0.5, "MAP": 0.5, **system["metrics"]}
    tab = opened(report.write(saved(tmp_path, result), tmp_path / "report.html", order="given"), 380)

    def shown() -> tuple[str, list[str]]:
        heading = tab.locator(".orders h3:visible").all_inner_texts()
        assert len(heading) == 1
        return heading[0], tab.locator(".orders tbody th:visible").all_inner_texts()

    assert shown() == ("Systems, as given to the run", ["dense", "bm25"])
    boxes = [(f"#{each.get_attribute('for')}", each) for each in tab.locator(".orders label").all()]
    assert len(boxes) == 6
    for button, label in boxes:
        y, height = tab.locator(button).bounding_box()["y"], label.bounding_box()["height"]
        assert abs(label.bounding_box()["y"] - y) < height / 2, "a button and its label are on one line"
    tab.get_by_label("lowest nDCG@10").check()
    assert shown() == ("Systems, lowest nDCG@10 first", ["bm25", "dense"])
    tab.get_by_label("lowest nDCG@10").press("ArrowUp")  # the keyboard, too
    assert shown() == ("Systems, highest recall@100 first", ["dense", "bm25"])
    tab.emulate_media(media="print")
    assert tab.locator(".orders legend").is_hidden()
    assert shown()[0] == "Systems, highest recall@100 first"


def test_it_prints(tmp_path: Path) -> None:
    out = report.write(saved(tmp_path, run()), tmp_path / "report.html")
    browse(tmp_path, out, f"--print-to-pdf={tmp_path / 'report.pdf'}", "--no-pdf-header-footer")
    printed = (tmp_path / "report.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert len(printed) > 10_000
