"""Pairs of evaluated models: what is won and lost, what is corrected, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.compare.compare import compare, holm, json_rows
from eval.compare.contenders import Contender
from eval.compare.show import write
from eval.report.data import EvaluatedModel
from tessy.errors import DataError
from tessy.records import JudgedAnswer

SETTINGS = {"benchmark": {"kind": "mini", "sampling": {"max_tokens": 512}}, "judge": {}}


def contender(
    name: str,
    passed: dict[str, str],
    settings: dict[str, object] | None = None,
    response: str = "print(1)",
    seeds: int = 1,
) -> Contender:
    """Problem -> one letter a run, + for a passed answer. The first letter is the difficulty."""
    answers = tuple(
        JudgedAnswer(
            problem_id=problem,
            run=run,
            response=response,
            finish="complete",
            n_tokens=3,
            verdict="accepted" if sign == "+" else "wrong_answer",
            passed=sign == "+",
            difficulty="easy" if problem[0] == "e" else "hard",
        )
        for problem, runs in passed.items()
        for run, sign in enumerate(runs)
    )
    models = tuple(
        EvaluatedModel(name, 0, seed, 1e-3, "mini", answers, f"{name}-{seed}")
        for seed in range(seeds)
    )
    return Contender(name, "mini", models, settings or SETTINGS, (f"{name}/answers.jsonl",))


def test_problems_won_lost_and_tied_are_those_solved_more_often() -> None:
    base = contender("base", {"e1": "+-", "e2": "++", "h1": "--", "h2": "--"})
    better = contender("tessy", {"e1": "++", "e2": "+-", "h1": "+-", "h2": "--"})
    (found,) = compare([base, better], 200)
    assert (found.first.name, found.second.name) == ("tessy", "base")
    assert found.won == ((0, "e1"), (0, "h1")) and found.lost == ((0, "e2"),) and found.tied == 1
    assert found.difference.value == pytest.approx(0.125)
    by = {part.name: (part.difference.value, part.n_problems) for part in found.by_difficulty}
    assert by == {"easy": (0.0, 2), "hard": (0.25, 2)}


def test_all_pairs_are_compared_and_corrected_together() -> None:
    def many(sign: str, upto: int) -> dict[str, str]:
        return {f"e{n:02d}": sign if n < upto else "-" for n in range(40)}

    sides = [
        contender("base", many("+", 5)),
        contender("a", many("+", 30)),
        contender("b", many("+", 32)),
    ]
    found = compare(sides, 500)
    assert [(c.first.name, c.second.name) for c in found] == [
        ("a", "base"),
        ("b", "base"),
        ("b", "a"),
    ]
    assert [c.decided for c in found] == [True, True, False]
    assert found[0].p_holm == pytest.approx(3 * min(c.p for c in found))


def test_a_base_model_without_seeds_is_compared_with_every_seed() -> None:
    one = contender("base", {"e1": "-", "e2": "+"})
    three = contender("tessy", {"e1": "+", "e2": "+"}, seeds=3)
    (found,) = compare([one, three], 200)
    assert found.difference.value == 0.5 and found.won == ((0, "e1"),)


def test_holm_is_that_of_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_only_raises_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    ranked = [q for _, q in sorted(zip(p_values, adjusted, strict=True))]
    assert ranked == sorted(ranked)


def test_other_problems_are_refused_by_name() -> None:
    one, other = (
        contender("base", {"e1": "+", "e2": "+"}),
        contender("tessy", {"e1": "+", "e9": "-"}),
    )
    with pytest.raises(DataError, match=r"base and tessy .* 2 and 2 problems, .* has e2, e9"):
        compare([one, other])


def test_other_settings_are_refused_with_what_differs() -> None:
    settings = {"benchmark": {"kind": "mini", "sampling": {"max_tokens": 96}}, "judge": {}}
    one, other = contender("base", {"e1": "+"}), contender("tessy", {"e1": "+"}, settings)
    with pytest.raises(DataError, match=r"benchmark\.sampling\.max_tokens is 512 and 96"):
        compare([one, other])


def test_the_page_links_to_both_answers_and_escapes_them(tmp_path: Path) -> None:
    one = contender("base", {"e1": "-", "h1": "+"}, response="<script>alert(1)</script>")
    other = contender("tessy", {"e1": "+", "h1": "+"})
    found = compare([one, other], 200)
    write(found, [], "mini", tmp_path)
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert 'href="#c0-e1"' in page and 'id="c0-e1"' in page
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    rows = json.loads((tmp_path / "compare.json").read_text(encoding="utf-8"))
    assert rows == {"models": json.loads(json.dumps(json_rows(found))), "data": []}
    assert rows["models"][0]["answers"] == {
        "tessy": ["tessy/answers.jsonl"],
        "base": ["base/answers.jsonl"],
    }
    assert "| mini | tessy | base | +50.0" in (tmp_path / "compare.md").read_text(encoding="utf-8")
