"""What is missing is found before any work, and what there is, is not called missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tessy.checkpoints import MINI
from tessy.config import Experiment
from tessy.errors import ConfigError, MissingError
from tessy.pipeline import requirements
from tessy.pipeline.graph import build
from tessy.pipeline.requirements import missing, models

Compose = Callable[..., Experiment]


@pytest.mark.parametrize("role", ["student", "teacher"])
def test_an_unknown_dialect_is_refused(composed: Compose, role: str) -> None:
    e = composed("experiment=mini", "tracking=none", f"{role}.dialect=gpt_os")
    with pytest.raises(ConfigError, match=rf"{role}\.dialect='gpt_os' .* did you mean 'gpt_oss'"):
        missing(e, build(e))


def test_an_unknown_kind_of_benchmark_is_named(composed: Compose) -> None:
    wrong = ("benchmarks.lcb_pro.kind=lcb_prof", "questions.decontaminate=[]")
    e = composed("experiment=tessy", "benchmark=lcb_pro", *wrong)
    with pytest.raises(MissingError, match=r"'lcb_prof' is unknown; did you mean 'lcb_pro'"):
        missing(e, build(e))


def test_only_the_models_of_the_nodes_to_do_are_needed(composed: Compose) -> None:
    e = composed("experiment=mini")
    nodes = build(e)
    assert set(models(e, [n for n in nodes if n.subject.method == "student_only"])) == {
        "mini:student"
    }
    assert len(models(e, nodes)) == 4
    assert models(e, [nodes[-1]]) == {}


def test_trained_predictors_need_a_base_and_an_annotator(composed: Compose) -> None:
    e = composed("predictor.annotator=model")
    training = [node for node in build(e) if node.stage == "predictor"]
    assert set(models(e, training)) == {
        "Qwen/Qwen3-8B",
        "openai/gpt-oss-120b",
        "Qwen/Qwen3-0.6B-Base",
        "Qwen/Qwen3-32B",
    }
    synthesis = [node for node in build(e) if node.stage == "synthesize"]
    assert set(models(e, synthesis)) == {"Qwen/Qwen3-8B", "openai/gpt-oss-120b"}
    assert not any("predictor" in item for item in missing(e, training) if "source" in item)


def test_a_checkpoint_without_tokenizer_is_named(composed: Compose, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    e = composed("experiment=tessy", f"student.path={tmp_path}")
    (said,) = [item for item in missing(e, build(e)) if item.startswith("student")]
    assert f"checkpoint {tmp_path} lacks tokenizer.json, tokenizer_config.json" in said


def test_data_of_a_benchmark_is_named_once(composed: Compose) -> None:
    """Though its problems are to be kept out of the questions as well."""
    e = composed("experiment=tessy", "benchmark=ojbench")
    assert {"lcb_pro", "ojbench"} <= set(e.questions.decontaminate)
    said = missing(e, build(e))
    (evaluated,) = [item for item in said if "OJBench" in item]
    assert "decontaminate" not in evaluated
    assert all("decontaminate" in item for item in said if "LiveCodeBench-Pro" in item)


def test_a_disk_too_small_is_named(composed: Compose) -> None:
    for samples, small in ((256, False), (10**12, True)):
        e = composed("experiment=mini", f"questions.samples={samples}")
        todo = [node for node in build(e) if node.stage == "synthesize"]
        assert any("disk space in outputs" in item for item in missing(e, todo)) == small


def test_who_is_served_elsewhere_needs_a_tokenizer_here_and_no_weights(
    composed: Compose, tmp_path: Path
) -> None:
    shutil.copytree(MINI / "student", tmp_path / "student")
    (tmp_path / "student" / "model.safetensors").unlink()
    for serve, stages, lacks in (
        ("external", ("synthesize",), False),
        ("external", ("synthesize", "sft"), True),
        ("local", ("synthesize",), True),
    ):
        urls = [f"serve.{role}.urls=[http://127.0.0.1:9]" for role in ("student", "teacher")]
        model = f"student.path={tmp_path}/student"
        e = composed("experiment=mini", "engine=vllm", f"serve={serve}", model, *urls)
        said = missing(e, [node for node in build(e) if node.stage in stages])
        assert any("lacks *.safetensors" in item for item in said) == lacks, (serve, stages)


def test_tables_and_figures_need_what_draws_them(
    composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    e = composed("experiment=table1_mini", "tracking=none")
    assert missing(e, build(e)) == []
    monkeypatch.setattr(requirements, "find_spec", lambda name: None)
    assert [m for m in missing(e, build(e)) if "figures" in m] == [
        f"the package {name}, for tables and figures; pip install -e '.[report]'"
        for name in ("matplotlib", "scipy")
    ]
    plain = composed("experiment=mini", "tracking=none")
    assert not [m for m in missing(plain, build(plain)) if "figures" in m]
