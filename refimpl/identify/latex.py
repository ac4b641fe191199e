"""The identified formula as text and as LaTeX."""

from refimpl.identify.bm25 import Measured
from refimpl.identify.features import average_name, floor_name, hidden_length
from refimpl.identify.formula import Formula
from refimpl.identify.query import combined
from refimpl.identify.scores import SQUASHES

UNKNOWN = ("idf(t)", r"\mathrm{idf}(t)"), ("w(f, L)", "w(f, L)")


def formula(measured: Measured) -> tuple[str, str]:
    """(text, LaTeX) of a document's score; what is not known stays a name."""
    if measured.coarse:
        return "", ""
    (idf_text, idf_latex), (tf_text, tf_latex) = UNKNOWN
    scale = ""
    if measured.idf is not None and not measured.of_one_term:
        form = measured.idf.form
        idf_text, idf_latex = form.text, form.latex
        if form.text.endswith("+ 1") or " else " in form.text:
            idf_text, idf_latex = f"({idf_text})", rf"\left({idf_latex}\right)"
        floor = floor_name(measured.idf.floor)
        if floor != "none":
            idf_text, idf_latex = f"floor[{idf_text}; {floor}]", rf"\mathrm{{floor}}\left[{idf_latex}\right]"
    if measured.fits and not hidden_length(measured):
        fit = measured.fits[0]
        tf_text, tf_latex = _weight(fit.formula)
        if fit.formula.unit_length:
            tf_text, tf_latex = f"{tf_text} / |d|", rf"\frac{{{tf_latex}}}{{\lVert d \rVert}}"
        if _combination(measured) == "cosine":
            tf_text = f"{tf_text} * idf(t) w(q) / |q|"
            tf_latex = rf"{tf_latex} \cdot \frac{{\mathrm{{idf}}(t) w(q)}}{{\lVert q \rVert}}"
        if fit.formula.weighs_query:
            tf_text, tf_latex = f"{tf_text} * w(q, L_q)", rf"{tf_latex} \cdot w(q, L_q)"
        if fit.base in ("2", "10"):
            idf_text = idf_text.replace("ln", f"log{fit.base}", 1)
            idf_latex = idf_latex.replace(r"\ln", rf"\log_{{{fit.base}}}", 1)
        elif fit.base is None and fit.formula.idf is not None and measured.scale.best is None:
            scale = f"{fit.formula.scale:.6g} "
    over = ("maximum", r"\max") if _combination(measured) == "maximum" else ("sum", r"\sum")
    text = f"score = {over[0]} over t of {scale}{idf_text} * {tf_text}"
    latex = rf"{over[1]}_{{t}} {scale}{idf_latex} \cdot {tf_latex}"
    if measured.whole is not None and (where := _where(measured.whole)):
        text, latex = f"{text}, {where[0]}", rf"{latex},\quad {where[1]}"
    if words := _of_query(_combination(measured)):
        text, latex = f"{text}; {words}", rf"{latex},\quad \text{{{words}}}"
    if measured.scale.squash != "none":
        text = f"{text}; x = the sum, score = {measured.scale.squash} of x"
        latex = SQUASHES[measured.scale.squash][1] + rf",\quad x = {latex}"
    return text, latex


def _combination(measured: Measured) -> str:
    """The name of how the contributions of the query's terms are combined; that of a sum where it is not known."""
    return "sum" if measured.query is None else measured.query.side.combine


def _of_query(combination: str) -> str:
    """What is done to the sum by the query, in words; empty where the formula has it already."""
    return "" if combination in ("sum", "cosine", "maximum") else combined(combination)


def _weight(f: Formula) -> tuple[str, str]:
    if f.written is not None:
        return f"({f.written.text})", rf"\left({f.written.latex}\right)"
    t, lt = f.transform.name, f.transform.latex
    if " " in t:
        t = f"({t})"
    if f.shape in ("saturated", "shifted"):
        return _saturated(f, t, lt)
    again = ("f * ", r"f \cdot ") if f.again else ("", "")
    if f.factor:
        t, lt = ("(k1 + 1)", "(k_1 + 1)") if t == "1" else (f"{t} (k1 + 1)", rf"{lt} (k_1 + 1)")
    below = {
        "none": ("", ""),
        "divides": (" / (1 - b + b L / A)", r"1 - b + b \frac{L}{A}"),
        "power": (" / L" if f.power == 1 else f" / L^{f.power:g}", "L" if f.power == 1 else f"L^{{{f.power:g}}}"),
        "in K": ("", ""),
    }[f.norm]
    return again[0] + t + below[0], again[1] + (rf"\frac{{{lt}}}{{{below[1]}}}" if below[1] else lt)


def _saturated(f: Formula, t: str, lt: str) -> tuple[str, str]:
    again = ("f * ", r"f \cdot ") if f.again else ("", "")
    up = (f"{t} (k1 + 1)", rf"{lt} (k_1 + 1)") if f.factor else (t, lt)
    d = f"{f.delta:g}"
    k = ("K", "K") if f.norm == "in K" or f.power else ("k1", "k_1")
    plain = (f"{up[0]} / ({t} + {k[0]})", rf"\frac{{{up[1]}}}{{{lt} + {k[1]}}}")
    factor = ("(k1 + 1) ", "(k_1 + 1) ") if f.factor else ("", "")
    text, latex = {
        "none": plain,
        "outside": (f"({d} + {plain[0]})", rf"\left({d} + {plain[1]}\right)"),
        "BM25L": (f"{factor[0]}(c + {d}) / (k1 + c + {d})", rf"\frac{{{factor[1]}(c + {d})}}{{k_1 + c + {d}}}"),
        "numerator": (f"({d} + {up[0]}) / ({t} + {k[0]})", rf"\frac{{{d} + {up[1]}}}{{{lt} + {k[1]}}}"),
        "numerator count": (
            f"{factor[0]}({t} + {d}) / ({t} + {k[0]})",
            rf"\frac{{{factor[1]}({lt} + {d})}}{{{lt} + {k[1]}}}",
        ),
        "count": (
            f"{factor[0]}({t} + {d}) / ({t} + {d} + {k[0]})",
            rf"\frac{{{factor[1]}({lt} + {d})}}{{{lt} + {d} + {k[1]}}}",
        ),
    }[f.delta_kind]
    return again[0] + text, again[1] + latex


def _where(f: Formula) -> tuple[str, str] | None:
    """The definitions of K, c, L and A, and the values of k1 and b that are not those of the call."""
    share, latex_share = ("L / A", r"\frac{L}{A}")
    if f.floor is not None:
        share, latex_share = f"max(L / A, {f.floor:g})", rf"\max\left(\frac{{L}}{{A}}, {f.floor:g}\right)"
    norm, latex_norm = f"1 - b + b {share}", rf"1 - b + b {latex_share}"
    texts, latex = [], []
    if f.delta_kind == "BM25L":
        texts.append(f"c = f / ({norm})")
        latex.append(rf"c = \frac{{f}}{{{latex_norm}}}")
    elif f.norm == "in K" and f.written is None:
        power = " L" if f.power else ""
        texts.append(f"K = k1 ({norm}){power}")
        latex.append(rf"K = k_1 \left({latex_norm}\right){power}")
    for name, symbol, value in (("k1", "k_1", f.k1), ("b", "b", f.b)):
        if value is not None and f.norm in ("in K", "divides") and (name == "b" or f.norm == "in K"):
            texts.append(f"{name} = {value:.6g}")
            latex.append(rf"{symbol} = {value:.6g}")
    if f.k1 is not None and f.norm == "none" and f.shape in ("saturated", "shifted"):
        texts.append(f"k1 = {f.k1:.6g}")
        latex.append(rf"k_1 = {f.k1:.6g}")
    if f.norm in ("in K", "divides"):
        texts.append(f"L = {f.kind.name}, A = {average_name(f)}")
        latex.append(rf"L = \text{{{f.kind.name}}},\ A = \text{{{average_name(f)}}}")
    return (", ".join(texts), r",\ ".join(latex)) if texts else None
