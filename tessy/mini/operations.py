"""The operations that the miniature world's problems are composed of.

An operation is a filter or a map over elements `x`, an order over the list `a`, or a reduction of
`a` to one number. `code` is the right fragment in the student's idiom; `wrong` holds plausible
mistakes, from which the student, where it is unsure, cannot tell the right one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["filter", "map", "order", "reduce"]


@dataclass(frozen=True)
class Operation:
    name: str
    kind: Kind
    phrasings: tuple[str, str]  # how a statement asks for it; {n} is a number from 2 to 9
    code: str
    wrong: tuple[str, str, str]
    unsure: bool  # whether the student draws its fragment from `code` and `wrong` by chance

    def fragment(self, n: int) -> str:
        """The right fragment in the student's idiom."""
        return self.code.format(n=n)

    def candidates(self, n: int) -> list[str]:
        """The right fragment and the mistakes."""
        return [c.format(n=n) for c in (self.code, *self.wrong)]

    def apply(self, values: list[int], n: int) -> Any:
        """The reference result on a list; a list, or an int for reductions.

        Raises:
            ValueError, IndexError: the operation is not defined on these values.
        """
        return REFERENCE[self.name](values, n)


def _op(
    name: str,
    kind: Kind,
    phrasings: tuple[str, str],
    code: str,
    wrong: tuple[str, str, str],
    unsure: bool = False,
) -> Operation:
    return Operation(name, kind, phrasings, code, wrong, unsure)


OPERATIONS: dict[str, Operation] = {
    op.name: op
    for op in (
        _op(
            "even",
            "filter",
            ("keep the even numbers", "drop every odd number"),
            "x % 2 == 0",
            ("x % 2 == 1", "x // 2 == 0", "x > 2"),
        ),
        _op(
            "odd",
            "filter",
            ("keep the odd numbers", "drop every even number"),
            "x % 2 == 1",
            ("x % 2 == 0", "x // 2 == 1", "x < 2"),
        ),
        _op(
            "above",
            "filter",
            ("keep the numbers above {n}", "drop numbers up to {n}"),
            "x > {n}",
            ("x < {n}", "x == {n}", "x != {n}"),
        ),
        _op(
            "below",
            "filter",
            ("keep the numbers below {n}", "drop numbers from {n} on"),
            "x < {n}",
            ("x > {n}", "x == {n}", "x != {n}"),
        ),
        _op(
            "multiples",
            "filter",
            ("keep the multiples of {n}", "drop what {n} does not divide"),
            "x % {n} == 0",
            ("x // {n} == 0", "{n} % x == 0", "x % {n} == 1"),
        ),
        _op(
            "tame",
            "filter",
            ("keep the {n}-tame numbers", "drop what is not {n}-tame"),
            "x % {n} != 0",
            ("x % {n} == 0", "x // {n} != 0", "x != {n}"),
            unsure=True,
        ),
        _op(
            "near",
            "filter",
            ("keep the numbers near {n}", "drop what is not near {n}"),
            "abs(x) <= {n}",
            ("abs(x) >= {n}", "x <= {n}", "abs(x) == {n}"),
            unsure=True,
        ),
        _op(
            "bright",
            "filter",
            ("keep the {n}-bright numbers", "drop what is not {n}-bright"),
            "x % 10 > {n}",
            ("x // 10 > {n}", "x % 10 < {n}", "x % 10 == {n}"),
            unsure=True,
        ),
        _op(
            "add",
            "map",
            ("add {n} to each number", "increase each by {n}"),
            "x + {n}",
            ("x - {n}", "x * {n}", "{n} - x"),
        ),
        _op(
            "subtract",
            "map",
            ("subtract {n} from each number", "decrease each by {n}"),
            "x - {n}",
            ("x + {n}", "x * {n}", "{n} - x"),
        ),
        _op(
            "multiply",
            "map",
            ("multiply each number by {n}", "scale each by {n}"),
            "x * {n}",
            ("x + {n}", "x // {n}", "x ** {n}"),
        ),
        _op(
            "square",
            "map",
            ("square each number", "replace each by its square"),
            "x * x",
            ("x + x", "x * 2", "x ** 3"),
        ),
        _op(
            "absolute",
            "map",
            ("take absolute values", "remove each sign"),
            "abs(x)",
            ("-x", "max(x, 0)", "x * x"),
        ),
        _op(
            "negate",
            "map",
            ("negate each number", "flip each sign"),
            "-x",
            ("abs(x)", "-abs(x)", "1 - x"),
        ),
        _op(
            "remainder",
            "map",
            ("take remainders by {n}", "reduce each modulo {n}"),
            "x % {n}",
            ("x // {n}", "{n} % x", "x - {n}"),
        ),
        _op(
            "shrink",
            "map",
            ("shrink each number by {n}", "apply a {n}-shrink to each"),
            "x // {n}",
            ("x % {n}", "x - {n}", "x * {n}"),
            unsure=True,
        ),
        _op(
            "cap",
            "map",
            ("cap each number at {n}", "apply a cap of {n}"),
            "min(x, {n})",
            ("max(x, {n})", "x % {n}", "x - {n}"),
            unsure=True,
        ),
        _op(
            "lift",
            "map",
            ("lift each number to {n}", "apply a lift to {n}"),
            "max(x, {n})",
            ("min(x, {n})", "x + {n}", "x * {n}"),
            unsure=True,
        ),
        _op(
            "mirror",
            "map",
            ("mirror each number at {n}", "apply a mirror at {n}"),
            "{n} - x",
            ("x - {n}", "-x - {n}", "abs(x) - {n}"),
            unsure=True,
        ),
        _op(
            "ascending",
            "order",
            ("sort in ascending order", "order from small to large"),
            "sorted(a)",
            ("sorted(a)[::-1]", "a[::-1]", "sorted(a, key=abs)"),
        ),
        _op(
            "descending",
            "order",
            ("sort in descending order", "order from large to small"),
            "sorted(a)[::-1]",
            ("sorted(a)", "a[::-1]", "sorted(a, key=abs)"),
        ),
        _op(
            "reverse",
            "order",
            ("reverse the list", "turn the list around"),
            "a[::-1]",
            ("a[::2]", "sorted(a)[::-1]", "a[1:]"),
        ),
        _op(
            "behead",
            "order",
            ("skip the first number", "leave out the first"),
            "a[1:]",
            ("a[:-1]", "a[:1]", "a[::2]"),
        ),
        _op(
            "curtail",
            "order",
            ("skip the last number", "leave out the last"),
            "a[:-1]",
            ("a[1:]", "a[-1:]", "a[::2]"),
        ),
        _op(
            "rotate",
            "order",
            ("rotate the list", "apply one rotation"),
            "a[1:] + a[:1]",
            ("a[:1] + a[1:]", "a[::-1] + a[:1]", "a[1:] + a[1:]"),
            unsure=True,
        ),
        _op(
            "thin",
            "order",
            ("thin out the list", "apply one thinning"),
            "a[::2]",
            ("a[1::2]", "a[:2]", "a[2:]"),
            unsure=True,
        ),
        _op(
            "magnitude",
            "order",
            ("order by magnitude", "sort in magnitude order"),
            "sorted(a, key=abs)",
            ("sorted(a)", "sorted(a, key=abs)[::-1]", "sorted(a)[::-1]"),
            unsure=True,
        ),
        _op(
            "sum",
            "reduce",
            ("print the sum", "output the total"),
            "sum(a)",
            ("len(a)", "max(a)", "min(a)"),
        ),
        _op(
            "largest",
            "reduce",
            ("print the maximum", "output the largest"),
            "max(a)",
            ("min(a)", "sum(a)", "a[-1]"),
        ),
        _op(
            "smallest",
            "reduce",
            ("print the minimum", "output the smallest"),
            "min(a)",
            ("max(a)", "sum(a)", "a[0]"),
        ),
        _op(
            "count",
            "reduce",
            ("print the count", "output how many there are"),
            "len(a)",
            ("sum(a)", "max(a)", "len(set(a))"),
        ),
        _op(
            "variety",
            "reduce",
            ("print the variety", "output the variety"),
            "len(set(a))",
            ("len(a)", "sum(set(a))", "max(a)"),
            unsure=True,
        ),
        _op(
            "spread",
            "reduce",
            ("print the spread", "output the spread"),
            "max(a) - min(a)",
            ("max(a) + min(a)", "a[-1] - a[0]", "max(a) - len(a)"),
            unsure=True,
        ),
        _op(
            "ends",
            "reduce",
            ("print the ends", "output the ends"),
            "a[0] + a[-1]",
            ("a[0] - a[-1]", "a[0] * a[-1]", "a[0] + a[1]"),
            unsure=True,
        ),
    )
}

REFERENCE: dict[str, Callable[[list[int], int], Any]] = {
    "even": lambda a, n: [x for x in a if x % 2 == 0],
    "odd": lambda a, n: [x for x in a if x % 2 == 1],
    "above": lambda a, n: [x for x in a if x > n],
    "below": lambda a, n: [x for x in a if x < n],
    "multiples": lambda a, n: [x for x in a if x % n == 0],
    "tame": lambda a, n: [x for x in a if x % n != 0],
    "near": lambda a, n: [x for x in a if abs(x) <= n],
    "bright": lambda a, n: [x for x in a if x % 10 > n],
    "add": lambda a, n: [x + n for x in a],
    "subtract": lambda a, n: [x - n for x in a],
    "multiply": lambda a, n: [x * n for x in a],
    "square": lambda a, n: [x * x for x in a],
    "absolute": lambda a, n: [abs(x) for x in a],
    "negate": lambda a, n: [-x for x in a],
    "remainder": lambda a, n: [x % n for x in a],
    "shrink": lambda a, n: [x // n for x in a],
    "cap": lambda a, n: [min(x, n) for x in a],
    "lift": lambda a, n: [max(x, n) for x in a],
    "mirror": lambda a, n: [n - x for x in a],
    "ascending": lambda a, n: sorted(a),
    "descending": lambda a, n: sorted(a)[::-1],
    "reverse": lambda a, n: a[::-1],
    "behead": lambda a, n: a[1:],
    "curtail": lambda a, n: a[:-1],
    "rotate": lambda a, n: a[1:] + a[:1],
    "thin": lambda a, n: a[::2],
    "magnitude": lambda a, n: sorted(a, key=abs),
    "sum": lambda a, n: sum(a),
    "largest": lambda a, n: max(a),
    "smallest": lambda a, n: min(a),
    "count": lambda a, n: len(a),
    "variety": lambda a, n: len(set(a)),
    "spread": lambda a, n: max(a) - min(a),
    "ends": lambda a, n: a[0] + a[-1],
}


def teacher_idiom(fragment: str) -> str:
    """A fragment over `x` and `a` rewritten over the teacher's `t` and `v`."""
    return re.sub(r"\b[xa]\b", lambda m: {"x": "t", "a": "v"}[m.group()], fragment)
