"""What is missing is found before any work, and what there is, is not called missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tessy.config import Experiment
from tessy.dialects import DIALECTS
from tessy.pipeline import requirements
from tessy.pipeline.graph import build
from tessy.pipeline.requirements import missing, models

Compose = Callable[..., Experiment]


def test_this_versions_parts_are_the_registered_ones() -> None:
    assert set(requirements.DIALECTS) == set(DIALECTS)


def test_only_the_models_of_the_nodes_to_do_are_needed(composed: Compose) -> None:
    e = composed("experiment=mini")
    nodes = build(e)
    assert set(models(e, [n for n in nodes if n.subject.method == "student_only"])) == {
        "mini:student"
    }
    assert len(models(e, nodes)) == 4
    assert models(e, [nodes[-1]]) == {}


def test_a_checkpoint_without_tokenizer_is_named(composed: Compose, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    e = composed("experiment=paper", f"student.path={tmp_path}")
    (said,) = [item for item in missing(e, build(e)) if item.startswith("student")]
    assert f"checkpoint {tmp_path} lacks tokenizer.json, tokenizer_config.json" in said


def test_a_disk_too_small_is_named(composed: Compose) -> None:
    for samples, small in ((256, False), (10**12, True)):
        e = composed("experiment=mini", f"questions.samples={samples}")
        todo = [node for node in build(e) if node.stage == "synthesize"]
        assert any("disk space in outputs" in item for item in missing(e, todo)) == small
