"""Arguments of chat templates: set like any option, part of what a result depends on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tessy.config import Experiment
from tessy.errors import ConfigError
from tessy.pipeline.graph import build
from tessy.pipeline.node import Node
from tessy.pipeline.overrides import check_overrides
from tessy.pipeline.requirements import missing
from tests.dialects.families import FAMILIES, save
from tests.pipeline.conftest import CONF

Compose = Callable[..., Experiment]


def test_an_argument_is_set_added_and_left_out_on_the_command_line(composed: Compose) -> None:
    def template(*overrides: str) -> dict[str, object]:
        check_overrides(overrides, CONF, multirun=False)
        return dict(composed("teacher=gpt-oss-120b", *overrides).teacher.template)

    assert template() == {"date": "2025-08-05", "reasoning_effort": "medium"}
    assert template("teacher.template.reasoning_effort=high")["reasoning_effort"] == "high"
    assert template("+teacher.template.model_identity=Tess")["model_identity"] == "Tess"
    assert template("teacher.template.date=2026-01-02")["date"] == "2026-01-02"
    assert template("teacher.template.reasoning_effort=null") == {"date": "2025-08-05"}
    assert composed("student.template.enable_thinking=false").student.template == {
        "enable_thinking": False
    }


def test_an_argument_is_a_text_a_number_or_a_boolean(composed: Compose) -> None:
    with pytest.raises(ConfigError, match=r"student.template.enable_thinking=\[1\] is not a text"):
        composed("student.template.enable_thinking=[1]")


def test_arguments_are_part_of_the_fingerprint_where_there_are_any(composed: Compose) -> None:
    def synthesize(*overrides: str) -> Node:
        nodes = build(composed("experiment=mini", "method=teacher_only", *overrides))
        (node,) = [n for n in nodes if n.stage == "synthesize"]
        return node

    plain, given = synthesize(), synthesize("+teacher.template.reasoning_effort=high")
    assert "template" not in plain.config["teacher"]
    assert given.config["teacher"]["template"] == {"reasoning_effort": "high"}
    assert plain.fingerprint != given.fingerprint
    assert synthesize("+teacher.template.reasoning_effort=null").fingerprint == plain.fingerprint


def test_a_wrong_argument_is_found_before_any_work(composed: Compose, tmp_path: Path) -> None:
    e = composed("experiment=mini", "+teacher.template.reasoning_effort=high")
    with pytest.raises(ConfigError, match="teacher mini-gpt-oss takes no argument 'reasoning_eff"):
        missing(e, build(e))
    without = composed(
        "experiment=mini", "method=student_only", "+teacher.template.reasoning_effort=high"
    )
    missing(without, build(without))  # that teacher takes no part
    folder = save(FAMILIES["gpt_oss"], tmp_path)
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text("{}")
    options = ("teacher=gpt-oss-120b", f"teacher.path={folder}")
    with pytest.raises(ConfigError, match="teacher gpt-oss-120b writes today's date"):
        missing(undated := composed(*options, "teacher.template.date=null"), build(undated))
    dated = composed(*options)
    assert not any("chat template" in item for item in missing(dated, build(dated)))
