"""The configuration composes as documented, and refuses what is not in it."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from tessy.config import Experiment
from tessy.errors import ConfigError
from tessy.pipeline.overrides import LISTS, check_overrides, groups, sweep_suffix, swept
from tessy.pipeline.schema import stages
from tests.pipeline.conftest import CONF

Compose = Callable[..., Experiment]


def test_defaults_are_the_papers(composed: Compose) -> None:
    e = composed("teacher=gpt-oss-120b")
    assert (e.student.path, e.student.dialect) == ("Qwen/Qwen3-8B", "qwen3")
    assert (e.teacher.path, e.teacher.dialect) == ("openai/gpt-oss-120b", "gpt_oss")
    assert list(e.methods) == ["tessy"] and e.methods["tessy"].span_tokens == 20
    assert list(e.benchmarks) == ["lcb_pro", "ojbench"]
    assert (e.questions.samples, e.questions.unique) == (80_000, 37_000)
    train = (e.train.epochs, e.train.global_batch, e.train.learning_rate, e.train.max_length)
    assert train == (9, 128, 5e-5, 40_960)
    assert (e.sampling.temperature, e.sampling.max_tokens) == (0.6, 40_960)
    assert e.stages == ("questions", "predictor", "synthesize", "sft", "evaluate", "report")


def test_an_experiment_chooses_several_methods_and_the_command_line_wins(composed: Compose) -> None:
    assert list(composed("experiment=mini").methods) == ["student_only", "teacher_only", "tessy"]
    assert list(composed("experiment=mini", "method=[tessy]").methods) == ["tessy"]
    assert list(composed("experiment=mini", "method=tessy").methods) == ["tessy"]
    assert composed("experiment=mini", "train.epochs=5").train.epochs == 5
    assert composed("experiment=mini_pooled", "sft_seeds=[7]").sft_seeds == (7,)


@pytest.mark.parametrize("experiment", groups(CONF)["experiment"])
def test_every_experiment_composes(composed: Compose, experiment: str) -> None:
    assert composed(f"experiment={experiment}").name == experiment


@pytest.mark.parametrize("student", groups(CONF)["student"])
@pytest.mark.parametrize("teacher", groups(CONF)["teacher"])
def test_every_pair_outside_the_miniature_world_composes(
    composed: Compose, student: str, teacher: str
) -> None:
    if student.startswith("mini") or teacher.startswith("mini"):
        with pytest.raises(ConfigError, match="belong to the miniature world"):
            composed(f"student={student}", f"teacher={teacher}")
    else:
        e = composed(f"student={student}", f"teacher={teacher}")
        assert (e.student.name, e.teacher.name) == (student, teacher)


@pytest.mark.parametrize("group", [g for g in groups(CONF) if g not in ("experiment", "figure")])
def test_every_choice_spells_out_every_option(group: str) -> None:
    """What is not in the YAML could not be overridden, and would not be documented."""
    field = LISTS.get(group, group)
    hint = typing.get_type_hints(Experiment)[field]
    kind = typing.get_args(hint)[1] if group in LISTS else hint
    for file in (CONF / group).glob("*.yaml"):
        assert set(OmegaConf.load(file)) == {f.name for f in dataclasses.fields(kind)}, file
        text = file.read_text()
        assert (f"# @package {field}.{file.stem}" in text) == (group in LISTS), file


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("teacher=gpt-oss-12b", "did you mean 'gpt-oss-120b'? choose from deepseek-r1-0528"),
        ("train.epoch=3", "did you mean 'train.epochs'? train has"),
        ("epochs=3", "did you mean 'train.epochs'?"),
        ("stge=all", "did you mean 'stage'?"),
        ("stage=evalute", "did you mean 'evaluate'?"),
        ("stage=[sft,evalute]", "did you mean 'evaluate'?"),
        ("stage=[plan,sft]", "mixes all, plan or compare with others"),
        ("experiment=minni", "did you mean 'mini'?"),
        ("method=[tesy]", "did you mean 'tessy'?"),
        ("method.tessy.span_tokens=3", "did you mean 'methods.tessy.span_tokens'?"),
        ("methods.tesy.span_tokens=3", "did you mean 'methods.tessy.span_tokens'?"),
        ("train=[mini]", "choose one train"),
        ("stage=sft,evaluate", "write 'stage=[A,B]' for a list, or add -m"),
        ("sampling=3", "set one, sampling.NAME=VALUE"),
        ("mini", "write option=value"),
        ("~teacher", "all are declared in conf/"),
        ("+foo=1", "all are declared in conf/"),
        ("train@teacher=mini", "moves a group"),
    ],
)
def test_a_misspelt_override_is_refused_with_the_nearest_name(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_overrides([override], CONF, multirun=False)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs=abc", "train.epochs='abc' is not a whole number"),
        ("train.epochs=2.5", "train.epochs=2.5 is not a whole number"),
        ("train.epochs=true", "train.epochs=True is not a whole number"),
        ("train.epochs=null", "train.epochs=None is not a whole number"),
        ("sampling.temperature=hot", "sampling.temperature='hot' is not a number"),
        ("train.precision=fp16", "train.precision='fp16' is unknown; did you mean 'bf16'"),
        ("learning_rates=1e-3", "write learning_rates=[0.001]"),
        ("sft_seeds=[0,a]", "sft_seeds[1]='a' is not a whole number"),
        ("debug=5", "debug=5 is not true or false"),
        ("methods.tessy.span_tokens=x", "methods.tessy.span_tokens='x'"),
        ("name=a/../b", "is no name for a folder"),
        ("mini.seeds=[1,2]", "without the miniature world"),
        ("stage=[]", "set stage=all"),
        ("serve.stall_seconds=0", "serve.stall_seconds=0.0 must be positive"),
        ("serve.retries=-1", "serve.retries=-1 is negative"),
        ("serve.student.urls=[host]", "serve.student.urls[0]='host' is no base URL"),
        ("serve.teacher.urls=[http://h/,http://h:80000000]", "serve.teacher.urls[1]='http://h:8"),
        ("serve.student.urls=[http://me:word@h]", "serve.student.urls[0] holds a user name"),
        ("train.global_batch=100", "is not a multiple of train.micro_batch=1 x 8 devices"),
        ("deepspeed.processes=3", "is not a multiple of train.micro_batch=1 x 3 devices"),
        (
            "deepspeed.sequence_parallel=3",
            "deepspeed.sequence_parallel=3 does not divide the 8 devices of deepspeed=zero3",
        ),
        ("deepspeed.nodes=2", "deepspeed.nodes=2 with deepspeed.launcher=local"),
        ("deepspeed.launcher=hostfile", "deepspeed.hostfile='' is no file"),
        ("deepspeed.processes=0", "deepspeed.processes=0 must be positive"),
        ("train.overlong=cut", "train.overlong='cut' is unknown"),
        ("train.micro_batch=2", "train.micro_batch=2 with train.packing=true"),
        ("train.loss.style_weight=-1", "train.loss.style_weight=-1.0 is negative"),
        ("train.lora.rank=-8", "train.lora.rank=-8 is negative"),
        ("stage=push", "stage=push with hub.owner=''"),
        ("predictor.base=''", "predictor.base='' with predictor.source=train"),
        ("predictor.source=checkpoint", "predictor.student='' with predictor.source=checkpoint"),
        ("predictor.segments=0", "set predictor.segments above 0"),
        ("predictor.batch=10", "not a multiple of predictor.micro_batch=32"),
        ("predictor.validation_share=1", "is not between 0 and 1"),
        ("predictor.annotator=mini", "knows the style of the miniature world only"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(
    composed: Compose, override: str, message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        composed(override)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["train.loss.style_weight=0", "train.loss.capability_weight=0"], "weighs no token"),
        (["train=lora", "train.lora.targets=[]"], "trains nothing"),
        (["train=lora", "train.lora.merge=false"], "which stage=evaluate cannot read"),
        (
            [
                "train.memory.activation_offloading=true",
                "train.memory.gradient_checkpointing=off",
            ],
            "moves the checkpointed activations",
        ),
    ],
)
def test_what_cannot_be_combined_in_training_is_refused(
    composed: Compose, overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        composed(*overrides)


@pytest.mark.parametrize(
    ("overrides", "empty"),
    [
        (["stage=synthesize"], "serve.student.urls"),
        (["stage=synthesize", "serve.student.urls=[http://h:1]"], "serve.teacher.urls"),
        (["stage=synthesize", "method=[teacher_only]"], "serve.teacher.urls"),
        (["stage=evaluate"], "serve.student.urls"),
    ],
)
def test_external_servers_need_urls(composed: Compose, overrides: list[str], empty: str) -> None:
    with pytest.raises(ConfigError, match=f"serve=external, but {empty} is empty"):
        composed("engine=vllm", "serve=external", *overrides)


def test_only_the_roles_at_work_need_urls(composed: Compose) -> None:
    both = ("engine=vllm", "serve=external")
    composed(*both, "stage=[sft,report]")
    composed(*both, "stage=plan")
    composed(*both, "stage=evaluate", "serve.student.urls=[http://h:1/v1]")
    composed(*both, "stage=synthesize", "method=[teacher_only]", "serve.teacher.urls=[https://h]")


def test_a_password_in_a_url_is_not_repeated(composed: Compose) -> None:
    with pytest.raises(ConfigError) as error:
        composed("serve.student.urls=[http://me:word@h]")
    assert "word" not in str(error.value)


def test_an_annotator_behind_a_url_needs_one(composed: Compose) -> None:
    urls = ("serve.student.urls=[http://a:1]", "serve.teacher.urls=[http://b:1]")
    with pytest.raises(ConfigError, match=r"serve\.annotator\.urls is empty"):
        composed("serve=external", *urls, "predictor.annotator=model")
    with pytest.raises(ConfigError, match=r"serve\.annotator\.urls\[0\]='c:1' is no base URL"):
        composed("serve.annotator.urls=['c:1']")
    assert composed("serve=external", *urls).serve.annotator.urls == ()


def test_whole_numbers_stand_for_floats_and_names(composed: Compose) -> None:
    e = composed("train.learning_rate=1", "outputs_dir=2024")
    assert repr(e.train.learning_rate) == "1.0" and e.outputs_dir == "2024"


def test_stages_come_in_their_order() -> None:
    assert stages(["evaluate", "sft"]) == ("sft", "evaluate")
    assert stages("plan") == ("plan",)


def test_jobs_of_a_sweep_have_names_of_their_own() -> None:
    parsed = OverridesParser.create().parse_overrides(
        ["experiment=mini,mini_dial", "train.epochs=1,2", "seed=3"]
    )
    assert (
        sweep_suffix(swept(parsed), ["experiment=mini", "train.epochs=1", "seed=3"])
        == "train.epochs=1"
    )
    lists = OverridesParser.create().parse_overrides(["method=[tessy],[a,b]"])
    assert Path(sweep_suffix(swept(lists), ["method=[a,b]"])).name == "method=_a_b_"


def test_a_sweep_is_checked_as_a_whole() -> None:
    with pytest.raises(ConfigError, match="choose from"):
        check_overrides(["teacher=mini,foo"], CONF, multirun=True)
    assert len(check_overrides(["train.epochs=1,2", "seed=range(1,3)"], CONF, multirun=True)) == 2
