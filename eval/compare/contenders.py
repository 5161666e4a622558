"""What can be compared: answers to the same problems, asked and judged in the same way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

from eval.report.data import EvaluatedModel
from eval.report.rows import Verdicts, verdicts_of
from tessy.errors import DataError

SHOWN = 3  # problems or settings that an error names


@dataclass(frozen=True)
class Contender:
    """A model on one benchmark, with all its SFT seeds and worlds; or a data set."""

    name: str
    benchmark: str
    models: tuple[EvaluatedModel, ...]
    settings: Mapping[str, Any]  # how it was asked and judged, as the manifests have it
    places: tuple[str, ...] = field(default=())  # files of the answers, one a model

    @cached_property
    def verdicts(self) -> Verdicts:
        return verdicts_of(self.models)

    @cached_property
    def problems(self) -> dict[int, list[str]]:
        """World -> ids of its problems, in the order of `verdicts`."""
        return {m.world: sorted({a.problem_id for a in m.answers}) for m in self.models}


def check_comparable(contenders: Sequence[Contender]) -> None:
    """Refuse contenders whose difference would say nothing.

    Raises:
        DataError: two of them answered other problems, or were asked or judged in another way;
            the message names what differs.
    """
    for one, other in combinations(contenders, 2):
        found = list(differing(one.settings, other.settings))
        if found:
            said = "; ".join(found[:SHOWN]) + ("; ..." if len(found) > SHOWN else "")
            raise DataError(
                f"{one.name} and {other.name} cannot be compared on {one.benchmark}: {said}",
                "evaluate both with the same options",
            )
        if one.problems != other.problems:
            raise DataError(
                f"{one.name} and {other.name} cannot be compared on {one.benchmark}: "
                + _other_problems(one, other),
                "evaluate both on the same problems",
            )


def differing(one: Mapping[str, Any], other: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The options in which two configurations differ, with their values."""
    for key in dict.fromkeys([*one, *other]):
        mine, theirs = one.get(key), other.get(key)
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            yield from differing(mine, theirs, f"{above}{key}.")
        elif mine != theirs:
            yield f"{above}{key} is {mine!r} and {theirs!r}"


def _other_problems(one: Contender, other: Contender) -> str:
    if list(one.problems) != list(other.problems):
        return f"worlds {list(one.problems)} and {list(other.problems)}"
    for world, mine in one.problems.items():
        only = [sorted(set(a) - set(b)) for a, b in _both_ways(mine, other.problems[world])]
        if any(only):
            counts = f"{len(mine)} and {len(other.problems[world])} problems"
            names = ", ".join([*only[0][:SHOWN], *only[1][:SHOWN]])
            return f"{counts}, of which only one has {names}"
    raise AssertionError("the problems are the same")


def _both_ways(a: list[str], b: list[str]) -> tuple[tuple[list[str], list[str]], ...]:
    return (a, b), (b, a)
