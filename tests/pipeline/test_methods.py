"""Methods go on from each other's samples through the stage graph."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tessy.config import Experiment
from tessy.pipeline.estimate import estimate
from tessy.pipeline.execute import execute
from tessy.pipeline.graph import build
from tessy.pipeline.node import Node
from tessy.pipeline.requirements import models
from tessy.pipeline.store import Store
from tessy.records import Trajectory, read_jsonl
from tessy.synthesis.needs import NEEDS

Compose = Callable[..., Experiment]
ALL = "method=[" + ",".join(sorted(NEEDS, reverse=True)) + "]"


def data(e: Experiment) -> dict[str, Node]:
    """The synthesize nodes by kind, of which there is one each."""
    nodes = [node for node in build(e) if node.stage == "synthesize"]
    kinds = {node.config["kind"]: node for node in nodes}
    assert len(kinds) == len(nodes)
    return kinds


def test_all_methods_share_one_student_only_and_one_teacher_only(composed: Compose) -> None:
    e = composed("experiment=mini", ALL)
    made = data(e)
    assert set(made) == set(NEEDS)
    for kind, node in made.items():
        parents = [p for p in node.parents if p.stage == "synthesize"]
        assert [p.config["kind"] for p in parents] == list(NEEDS[kind].parents)  # type: ignore[index]
        assert all(p.fingerprint == made[p.config["kind"]].fingerprint for p in parents)
    order = [node.fingerprint for node in build(e)]
    assert len(set(order)) == len(order)
    for node in build(e):
        assert all(order.index(p.fingerprint) < order.index(node.fingerprint) for p in node.parents)


def test_what_others_go_on_from_is_made_even_if_nobody_asked_for_it(composed: Compose) -> None:
    made = data(composed("experiment=mini", "method=[teacher_mix]"))
    assert list(made) == ["student_only", "teacher_only", "teacher_mix"]
    asked = data(composed("experiment=mini"))
    for kind in ("student_only", "teacher_only"):
        assert made[kind].fingerprint == asked[kind].fingerprint
        assert made[kind].label == asked[kind].label
    counts = Counter(n.stage for n in build(composed("experiment=mini", "method=[teacher_mix]")))
    assert counts["sft"] == 1 and counts["evaluate"] == 2  # the base model's, and one


def test_a_renamed_parent_is_still_shared(composed: Compose) -> None:
    e = composed("experiment=mini_methods", "methods.student_only.name=plain")
    assert data(e)["student_only"].config["method"] == "plain"


def test_every_world_has_parents_of_its_own(composed: Compose) -> None:
    nodes = build(composed("experiment=mini_pooled", "method=[teacher_answer]"))
    made = [node for node in nodes if node.config.get("kind") == "teacher_answer"]
    assert len(made) == 5
    for node in made:
        assert {p.subject.world for p in node.parents} == {node.subject.world}


@pytest.mark.parametrize(
    ("override", "kinds"),
    [
        ("methods.teacher_score.candidates=3", {"teacher_score"}),
        ("methods.teacher_mix.candidates=3", set()),
        (
            "teacher.context=999",
            set(NEEDS) - {"student_only"},
        ),
        ("sampling.temperature=0.7", set(NEEDS)),
    ],
)
def test_an_option_changes_the_methods_that_it_reaches(
    composed: Compose, override: str, kinds: set[str]
) -> None:
    before = data(composed("experiment=mini_methods"))
    after = data(composed("experiment=mini_methods", override))
    assert {k for k in before if before[k].fingerprint != after[k].fingerprint} == kinds


def test_only_who_writes_is_needed(composed: Compose) -> None:
    e = composed("experiment=mini_methods")
    needed = {kind: set(models(e, [node])) for kind, node in data(e).items()}
    student, both = {"mini:student"}, {"mini:student", "mini:teacher"}
    predictors = {"mini:predictor_student", "mini:predictor_teacher"}
    assert needed.pop("tessy") == needed.pop("teacher_score") == both | predictors
    assert needed == {
        "student_only": student,
        "teacher_only": both,  # the student's tokenizer counts
        "teacher_mix": student,
        "teacher_think": student,
        "teacher_answer": both,
        "teacher_reference": student,
    }


def test_what_is_taken_over_costs_no_tokens(composed: Compose) -> None:
    e = composed(ALL)
    needs = {kind: estimate(node, e) for kind, node in data(e).items()}
    tokens = {kind: need.tokens / needs["student_only"].tokens for kind, need in needs.items()}
    assert tokens["teacher_mix"] == needs["teacher_mix"].gpu_hours == 0
    assert needs["teacher_mix"].disk == needs["teacher_only"].disk
    for kind in ("teacher_think", "teacher_answer"):
        assert 0 < tokens[kind] < 0.5
    assert 4 < tokens["teacher_score"] < 5
    assert needs["teacher_answer"].gpu_hours < needs["teacher_think"].gpu_hours  # fewer are active


def test_a_stage_hands_over_the_parents_samples(
    composed: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    e = composed(
        *("experiment=mini", "method=[teacher_mix,teacher_think]", "tracking=none"),
        *("questions.samples=7", "questions.unique=5", f"outputs_dir={tmp_path}"),
        "stage=[questions,synthesize]",
    )
    execute(e)
    assert "synthesize: 4 made" in capsys.readouterr().out
    made = {
        kind: {t.key: t for t in read_jsonl(store_path(node, tmp_path), Trajectory)}
        for kind, node in data(e).items()
    }
    taken = Counter(t.metadata["from"] for t in made["teacher_mix"].values())
    assert taken == {"teacher_only": 4, "student_only": 3}
    for key, t in made["teacher_think"].items():
        assert t.text("think") == made["teacher_only"][key].text("think")
        assert (
            made["teacher_mix"][key].spans
            == made[made["teacher_mix"][key].metadata["from"]][key].spans
        )
    more = composed("method=[teacher_mix,teacher_think,teacher_answer]").methods
    execute(dataclasses.replace(e, methods=more))
    assert "synthesize: 1 made" in (said := capsys.readouterr().out) and "4 done before" in said


def store_path(node: Node, outputs: Path) -> Path:
    return Store(outputs).folder(node) / "trajectories.jsonl"
