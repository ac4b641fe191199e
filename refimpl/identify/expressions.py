"""Formulas as text, and how a programmer miswrites one: parentheses, operators, names, constants, parts left out."""

import ast
import copy
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from types import CodeType
from typing import Any

import numpy as np

from refimpl.common.types import Array

FUNCTIONS: Mapping[str, Any] = {"log": np.log, "sqrt": np.sqrt, "abs": np.abs, "__builtins__": {}}
OPERATORS: tuple[type[ast.operator], ...] = (ast.Add, ast.Sub, ast.Mult, ast.Div)
SAMPLED = 8
TOKEN = re.compile(r"\w+(?:\.\d+)?|\S")


@dataclass(frozen=True)
class Expression:
    """A formula in Python's notation, such as `f / (f + k1)`; equal where the text is."""

    text: str

    @cached_property
    def _code(self) -> CodeType:
        return compile(self.text, self.text, "eval")

    def __call__(self, **values: Array | float) -> Array:
        """The value, element by element; NaN or infinite where there is none."""
        numbers = {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}
        try:
            with np.errstate(all="ignore"):
                return np.asarray(eval(self._code, dict(FUNCTIONS), numbers), dtype=np.float64)
        except ZeroDivisionError:  # of constants
            return np.asarray(np.nan)

    @property
    def fingerprint(self) -> bytes:
        """The values at some numbers in the place of the names, to ten digits: of formulas that are equal, the same."""
        random = np.random.default_rng(0)
        values = {name: random.uniform(1.5, 9, SAMPLED) for name in ("f", "L", "A", "k1", "b", "N", "n")}
        found = np.broadcast_to(self(**values), SAMPLED)
        return " ".join(f"{value:.10g}" for value in found).encode()

    @property
    def is_logarithm(self) -> bool:
        """Whether a logarithm is all there is, so that its base is a factor."""
        node = ast.parse(self.text, mode="eval").body
        return isinstance(node, ast.Call) and ast.unparse(node.func) == "log"

    @property
    def latex(self) -> str:
        """The formula as LaTeX."""
        return _latex(ast.parse(self.text, mode="eval").body)


@dataclass(frozen=True)
class Mistakes:
    """What a programmer may write in the place of something else.

    Parameters
    ----------
    exchanged
        Pairs of names that change places everywhere.
    everywhere
        Pairs of a name and what is written for it everywhere.
    values
        What may stand once in the place of a name or a number.
    around
        What may be written before the whole formula, in parentheses: a function, or `1 +`.
    """

    exchanged: tuple[tuple[str, str], ...] = ()
    everywhere: tuple[tuple[str, str], ...] = ()
    values: tuple[str, ...] = ()
    around: tuple[str, ...] = ()

    def of(self, text: str) -> Iterator[str]:
        """`text` with one mistake each, likelier mistakes first, in normal form; may repeat."""
        yield from _parenthesised(text)
        for one, other in self.exchanged:
            yield from _renamed(text, {one: other, other: one})
        for name, other in self.everywhere:
            yield from _renamed(text, {name: f"({other})"})
        yield from _changed(text, self.values)
        yield from (_normal(f"{before}({text})") for before in self.around)


@cache
def miswritten(texts: tuple[str, ...], mistakes: Mistakes) -> tuple[Expression, ...]:
    """The formulas `texts` with one mistake each; of several with the same values the first, and none of `texts`'."""
    found = itertools.chain(texts, itertools.chain.from_iterable(map(mistakes.of, texts)))
    by_values: dict[bytes, Expression] = {}
    for each in map(Expression, dict.fromkeys(found)):
        by_values.setdefault(each.fingerprint, each)
    own = {Expression(text).fingerprint for text in texts}
    return tuple(each for values, each in by_values.items() if values not in own)


def _normal(text: str) -> str:
    return ast.unparse(ast.parse(text, mode="eval"))


def _parenthesised(text: str) -> Iterator[str]:
    """Pairs of parentheses left out, or one of them closed elsewhere."""
    tokens = TOKEN.findall(text)
    pairs = [pair for pair in _pairs(tokens) if pair[0] == 0 or not tokens[pair[0] - 1].isidentifier()]
    for count in range(1, len(pairs) + 1):
        for removed in itertools.combinations(pairs, count):
            places = {place for pair in removed for place in pair}
            yield from _parsed(token for place, token in enumerate(tokens) if place not in places)
    for start, end in _pairs(tokens):
        rest = [*tokens[:end], *tokens[end + 1 :]]
        for place in range(start + 2, len(rest) + 1):
            yield from _parsed([*rest[:place], ")", *rest[place:]])


def _pairs(tokens: list[str]) -> list[tuple[int, int]]:
    opened, found = [], []
    for place, token in enumerate(tokens):
        if token == "(":
            opened.append(place)
        elif token == ")":
            found.append((opened.pop(), place))
    return found


def _parsed(tokens: Iterator[str] | list[str]) -> Iterator[str]:
    """The normal form of a formula; nothing for what is none."""
    try:
        tree = ast.parse(" ".join(tokens), mode="eval")
    except SyntaxError:
        return
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    if all(isinstance(each, ast.Name) for each in called) and not any(isinstance(n, ast.Tuple) for n in ast.walk(tree)):
        yield ast.unparse(tree)


def _renamed(text: str, names: Mapping[str, str]) -> Iterator[str]:
    """The text with other names."""
    yield _normal(" ".join(names.get(token, token) for token in TOKEN.findall(text)))


def _changed(text: str, values: tuple[str, ...]) -> Iterator[str]:
    """One operation left out or replaced by another, one name or number replaced by another."""
    tree = ast.parse(text, mode="eval")
    for number, node in enumerate(ast.walk(tree)):
        for new in _replacements(node, values):
            other = copy.deepcopy(tree)
            old = next(itertools.islice(ast.walk(other), number, None))
            yield _normal(ast.unparse(_Replacer(old, new).visit(other)))


def _replacements(node: ast.AST, values: tuple[str, ...]) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp):
        yield node.left
        yield node.right
        yield from (ast.BinOp(node.left, kind(), node.right) for kind in OPERATORS if not isinstance(node.op, kind))
    if isinstance(node, ast.Call):
        yield node.args[0]
    if isinstance(node, ast.Name | ast.Constant) and ast.unparse(node) not in FUNCTIONS:
        yield from (ast.parse(value, mode="eval").body for value in values if value != ast.unparse(node))


class _Replacer(ast.NodeTransformer):
    """Puts `new` in the place of the node `old`."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else self.generic_visit(node)


def _latex(node: ast.expr) -> str:
    if isinstance(node, ast.BinOp):
        left, right = _latex(node.left), _latex(node.right)
        if isinstance(node.op, ast.Div):
            return rf"\frac{{{left}}}{{{right}}}"
        if isinstance(node.op, ast.Mult):
            return rf"{_factor(node.left, left)} \cdot {_factor(node.right, right)}"
        if isinstance(node.op, ast.Pow):
            return f"{_factor(node.left, left)}^{{{right}}}"
        return f"{left} + {right}" if isinstance(node.op, ast.Add) else f"{left} - {_factor(node.right, right)}"
    if isinstance(node, ast.Call):
        name, inner = ast.unparse(node.func), ", ".join(map(_latex, node.args))
        return {"log": rf"\ln\left({inner}\right)", "sqrt": rf"\sqrt{{{inner}}}", "abs": rf"\left|{inner}\right|"}[name]
    if isinstance(node, ast.UnaryOp):
        return f"-{_factor(node.operand, _latex(node.operand))}"
    return re.sub(r"^([a-z])(\d)$", r"\1_\2", ast.unparse(node))


def _factor(node: ast.expr, latex: str) -> str:
    """In parentheses where it is a sum."""
    added = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
    return rf"\left({latex}\right)" if added else latex
