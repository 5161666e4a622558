"""Fingerprints cover exactly what changes a result."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tessy.config import Experiment
from tessy.pipeline.graph import build
from tessy.pipeline.identity import BLOCK, BLOCKS, model_identity
from tessy.pipeline.node import STAGE_VERSIONS, Node

Compose = Callable[..., Experiment]


def nodes(e: Experiment, stage: str, method: str | None = "") -> dict[str, Node]:
    """Nodes of a stage by fingerprint; of one method, or of the base model (None)."""
    found = [n for n in build(e) if n.stage == stage and method in ("", n.subject.method)]
    return {node.fingerprint: node for node in found}


def changed(before: Experiment, after: Experiment) -> set[str]:
    """The stages that an override would make anew."""
    old = {node.fingerprint for node in build(before)}
    return {node.stage for node in build(after) if node.fingerprint not in old}


def test_parents_come_first_and_nothing_twice(composed: Compose) -> None:
    e = composed("experiment=mini_pooled", "learning_rates=[1e-3,2e-3]")
    seen: set[str] = set()
    for node in build(e):
        assert {parent.fingerprint for parent in node.parents} <= seen
        assert node.fingerprint not in seen
        seen.add(node.fingerprint)
    counts = {stage: len(nodes(e, stage)) for stage in ("questions", "synthesize", "sft")}
    assert counts == {"questions": 5, "synthesize": 15, "sft": 90}
    assert len(nodes(e, "evaluate")) == 90 + 5 and len(nodes(e, "evaluate", None)) == 5


def test_the_base_model_is_the_first_to_be_scored(composed: Compose) -> None:
    stages = [(n.stage, n.subject.method) for n in build(composed("experiment=mini"))]
    assert stages[:2] == [("questions", None), ("evaluate", None)]
    assert stages[2:5] == [(s, "student_only") for s in ("synthesize", "sft", "evaluate")]
    assert stages[-1][0] == "report"


@pytest.mark.parametrize(
    "override",
    [
        "engine.batch_size=7",
        "engine.device=cpu",
        "engine.threads=2",
        "judge.workers=5",
        "tracking=none",
        "outputs_dir=elsewhere",
        "train.micro_batch=8",
        "train.checkpoints_per_epoch=3",
        "train.memory.cross_entropy=whole",
        "deepspeed.processes=2",
        "deepspeed.kind=zero3",
        "student.tensor_parallel=2",
        "stage=sft",
        "debug=true",
    ],
)
def test_what_leaves_results_alone_makes_nothing_anew(composed: Compose, override: str) -> None:
    assert changed(composed("experiment=mini"), composed("experiment=mini", override)) == set()


@pytest.mark.parametrize(
    ("override", "stages"),
    [
        ("report.examples=2", {"report"}),
        ("judge.cpu_seconds=1", {"evaluate", "report"}),
        ("benchmarks.mini.sampling.temperature=0", {"evaluate", "report"}),
        ("train.epochs=3", {"sft", "evaluate", "report"}),
        ("train.overlong=truncate", {"sft", "evaluate", "report"}),
        ("train.system=Be brief.", {"sft", "evaluate", "report"}),
        ("train.loss.style_weight=0.5", {"sft", "evaluate", "report"}),
        ("train.lora.rank=8", {"sft", "evaluate", "report"}),
        ("sft_seeds=[1]", {"sft", "evaluate", "report"}),
        ("sampling.temperature=1", {"synthesize", "sft", "evaluate", "report"}),
        ("questions.samples=300", {"synthesize", "sft", "evaluate", "report"}),
        ("methods.tessy.span_tokens=10", {"synthesize", "sft", "evaluate", "report"}),
        ("predictor.window=100", {"synthesize", "sft", "evaluate", "report"}),
        ("predictor.cut=after_word", {"synthesize", "sft", "evaluate", "report"}),
        ("mini.seed=1", {"questions", "synthesize", "sft", "evaluate", "report"}),
    ],
)
def test_what_changes_a_result_makes_it_and_what_follows_anew(
    composed: Compose, override: str, stages: set[str]
) -> None:
    assert changed(composed("experiment=mini"), composed("experiment=mini", override)) == stages


def test_the_dial_reuses_data_and_base_scores_of_mini(composed: Compose) -> None:
    mini, dial = composed("experiment=mini"), composed("experiment=mini_dial")
    assert nodes(mini, "synthesize").keys() == nodes(dial, "synthesize").keys()
    assert nodes(mini, "evaluate", None).keys() == nodes(dial, "evaluate", None).keys()
    rate = mini.train.learning_rate
    assert rate in dial.learning_rates
    assert nodes(mini, "sft").keys() < nodes(dial, "sft").keys()


def test_packing_trains_on_the_same_batches(composed: Compose) -> None:
    one_row = composed("experiment=mini", "train.packing=true", "train.micro_batch=1")
    assert changed(composed("experiment=mini"), one_row) == set()


def test_data_is_scored_and_things_are_pushed_only_on_request(composed: Compose) -> None:
    everything = composed("experiment=mini")
    assert {n.stage for n in build(everything)} & {"score", "push"} == set()
    scored = composed("experiment=mini", "stage=[synthesize,score]")
    assert len(nodes(scored, "score")) == 3
    longer = composed("experiment=mini", "stage=[synthesize,score]", "train.epochs=9")
    assert nodes(scored, "score").keys() == nodes(longer, "score").keys()
    pushed = composed("experiment=mini", "stage=[sft,push]", "hub.owner=someone")
    there = [n.config["repository"] for n in nodes(pushed, "push").values()]
    assert len(there) == 6 and "someone/mini-tessy-world0" in there


def test_a_method_is_untouched_by_the_options_of_another(composed: Compose) -> None:
    before = composed("experiment=mini")
    after = composed("experiment=mini", "methods.tessy.span_tokens=5", "teacher.context=999")
    for stage in ("synthesize", "sft", "evaluate"):
        old, new = nodes(before, stage, "student_only"), nodes(after, stage, "student_only")
        assert old.keys() == new.keys()
        assert not nodes(before, stage, "tessy").keys() & nodes(after, stage, "tessy").keys()


def test_predictors_are_a_stage_only_where_they_are_trained(composed: Compose) -> None:
    assert len(nodes(composed(), "predictor")) == 1
    assert nodes(composed("predictor=released"), "predictor") == {}
    assert nodes(composed("method=student_only"), "predictor") == {}


@pytest.mark.parametrize(
    ("override", "anew"),
    [
        ("predictor.segments=7", True),
        ("predictor.segment_words=7", True),
        ("predictor.annotator=student", True),
        ("predictor.learning_rate=1", True),
        ("predictor.label_shift=1", True),
        ("sampling.temperature=1", True),
        ("student.context=900", True),
        ("predictor.micro_batch=8", False),
        ("predictor.device=cpu", False),
        ("annotator.context=900", False),  # it is not asked
        ("train.epochs=3", False),
    ],
)
def test_predictors_are_trained_anew_where_they_would_be_others(
    composed: Compose, override: str, anew: bool
) -> None:
    mini = ("experiment=mini", "predictor=mini_train")
    before, after = composed(*mini), composed(*mini, override)
    assert (nodes(before, "predictor").keys() != nodes(after, "predictor").keys()) == anew
    if anew:
        old, new = nodes(before, "synthesize", "tessy"), nodes(after, "synthesize", "tessy")
        assert not old.keys() & new.keys()


def test_another_annotator_makes_other_predictors(composed: Compose) -> None:
    asked = "predictor.annotator=model"
    before, after = composed(asked), composed(asked, "annotator.path=elsewhere")
    assert nodes(before, "predictor").keys() != nodes(after, "predictor").keys()


def test_a_new_code_version_makes_the_stage_anew(
    composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = composed("experiment=mini")
    old = {node.fingerprint for node in build(before)}
    monkeypatch.setitem(STAGE_VERSIONS, "sft", 2)
    new = {node.stage for node in build(before) if node.fingerprint not in old}
    assert new == {"sft", "evaluate", "report"}


def test_a_changed_checkpoint_is_another_model_wherever_it_lies(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    (first / "config.json").write_text("{}")
    (first / "large").write_bytes(bytes(2 * BLOCK * BLOCKS))
    copy = Path(shutil.copytree(first, tmp_path / "copy"))
    model_identity.cache_clear()
    assert model_identity(str(first)) == model_identity(str(copy))
    (copy / "config.json").write_text("[]")
    model_identity.cache_clear()
    assert model_identity(str(first)) != model_identity(str(copy))
    (copy / "config.json").write_text("{}")
    with (copy / "large").open("r+b") as file:
        file.seek(2 * BLOCK * BLOCKS - 1)
        file.write(b"x")
    model_identity.cache_clear()
    assert model_identity(str(first)) != model_identity(str(copy))
    assert model_identity("Qwen/Qwen3-8B") == "Qwen/Qwen3-8B"
