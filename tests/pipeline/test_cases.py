"""Tables and figures of the paper as cases that share artifacts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import hydra
import pytest
from omegaconf import OmegaConf

from tessy.config import Experiment
from tessy.errors import ConfigError
from tessy.pipeline.cases import PAPER
from tessy.pipeline.compose import compose
from tessy.pipeline.estimate import estimate
from tessy.pipeline.execute import execute
from tessy.pipeline.graph import build, by_case
from tessy.pipeline.node import Node
from tests.pipeline.conftest import CONF

Compose = Callable[..., Experiment]


def stages(nodes: list[Node]) -> Counter[str]:
    return Counter(node.stage for node in nodes)


def test_a_case_is_the_experiment_with_its_changes(composed: Compose) -> None:
    cases = composed("experiment=fig5").cases
    assert list(cases) == ["fig5/qwen3-235b", "fig5/deepseek-r1", "fig5/gpt-oss"]
    by_hand = composed(
        "teacher=deepseek-r1-0528", "method=[teacher_only,tessy]", "benchmark=ojbench", "name=fig5"
    )
    assert cases["fig5/deepseek-r1"] == by_hand


def test_the_command_line_wins_over_a_case(composed: Compose) -> None:
    e = composed("experiment=fig5", "train.epochs=2", "method=[tessy]", "serve.retries=9")
    assert {c.train.epochs for c in e.cases.values()} == {2}
    assert {tuple(c.methods) for c in e.cases.values()} == {("tessy",)}
    assert {c.serve.retries for c in e.cases.values()} == {9}
    assert [c.teacher.name[:8] for c in e.cases.values()] == ["qwen3-23", "deepseek", "gpt-oss-"]


def test_options_of_what_the_command_line_leaves_out_are_left_out(composed: Compose) -> None:
    [case] = composed("experiment=table1_mini", "method=[tessy]").cases.values()
    assert list(case.methods) == ["tessy"]
    [case] = composed("experiment=table1_mini", "method=[tessy,teacher_score]").cases.values()
    assert case.methods["teacher_score"].scorer == "agreement"


def test_the_union_of_figures_costs_no_stage_twice(composed: Compose) -> None:
    figures = ["table1", "fig3", "fig4", "fig5", "fig7", "fig9", "fig12"]
    alone = [{n.fingerprint for n in build(composed(f"experiment={f}"))[:-1]} for f in figures]
    together = build(composed(f"figure=[{','.join(figures)}]"))
    prints = [node.fingerprint for node in together]
    assert len(set(prints)) == len(prints)
    assert set(prints[:-1]) == set.union(*alone)
    assert len(prints) < sum(map(len, alone))
    position = {print_: n for n, print_ in enumerate(prints)}
    for node in together:
        assert all(position[p.fingerprint] < position[node.fingerprint] for p in node.parents)


def test_cases_share_the_base_model_and_the_data(composed: Compose) -> None:
    assert stages(build(composed("experiment=fig4_mini"))) == {
        "questions": 1,
        "synthesize": 2,  # each student writes once, and trains both
        "sft": 4,
        "evaluate": 6,
        "report": 1,
    }
    assert stages(build(composed("experiment=fig12_mini")))["sft"] == 0
    assert stages(build(composed("experiment=fig12_mini")))["evaluate"] == 0


def test_what_is_pushed_of_several_cases_has_names_of_its_own(composed: Compose) -> None:
    e = composed("experiment=fig5_mini", "stage=push", "hub.owner=someone")
    pushed = [node for node in build(e) if node.stage == "push"]
    assert len({node.name for node in pushed}) == len(pushed) > 4
    tessy = [node.name.split("-tessy")[0] for node in pushed if "-tessy-world0" in node.name]
    assert set(tessy) == {
        f"fig5-mini-fig5-{case}" for case in ("mini-qwen3-expert", "mini-gpt-oss")
    }


def test_the_plan_says_which_case_an_artifact_is_first_made_for(
    composed: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(composed("experiment=fig4_mini", "stage=plan", f"outputs_dir={tmp_path}"))
    said = capsys.readouterr().out
    places = [said.index(f"for fig4/{case}:") for case in ("mini-mini", "mini-mini2")]
    assert places == sorted(places) and said.count("for fig4/") == 4
    assert said.count("Each training of mini-qwen3 (train=mini)") == 1
    assert said.count("Each training of mini-qwen3-b (") == 1


def test_the_author_of_the_data_need_not_be_the_student(composed: Compose) -> None:
    e = composed("experiment=fig4_mini").case("fig4/mini2-mini")
    assert (e.student.path, e.author.path) == ("mini:student", "mini:student2")
    nodes = {node.stage: node for node in build(e)}
    assert nodes["synthesize"].config["student"] != nodes["sft"].config["student"]
    alone = composed("experiment=mini")
    assert alone.author == alone.student


def test_direct_responses_are_judged_without_training(composed: Compose) -> None:
    e = composed("experiment=fig6_mini")
    nodes = build(e)
    assert stages(nodes)["sft"] == 0
    direct = [node for node in nodes if node.subject.direct]
    assert [node.parents[0].config["sampling"]["max_tokens"] for node in direct] == [
        512,
        512,
        96,
        128,
    ]
    assert all(node.parents[0].config["runs"] == 1 for node in direct)
    assert all(estimate(node, e).tokens == 0 for node in direct)  # they were written before


def test_every_epoch_but_the_last_is_an_evaluation_of_its_own(composed: Compose) -> None:
    nodes = build(composed("experiment=fig11_mini"))
    epochs = [node.subject.epoch for node in nodes if node.stage == "evaluate"]
    assert epochs == [None, None, 1, 2, 3]  # base, after the last, and after the others
    assert stages(nodes)["sft"] == 1


@pytest.mark.parametrize("world", ["", "_mini"])
def test_every_figure_of_the_paper_has_an_experiment(composed: Compose, world: str) -> None:
    asked = {key for key in PAPER if key not in ("fig10", "fig13")}
    for key in asked:
        e = composed(f"experiment={key}{world}")
        assert list(e.figures) == [key] and e.is_mini == any(c.is_mini for c in e.cases.values())
        assert e.is_mini == bool(world)


def test_a_shared_node_is_of_the_first_case_and_each_case_has_it(composed: Compose) -> None:
    e = composed("experiment=fig5_mini")
    (base,) = [n for n in build(e) if n.stage == "evaluate" and not n.parents]
    assert base.subject.case == "fig5/mini-qwen3-expert"
    for _, nodes in by_case(e):
        assert base.fingerprint in {node.fingerprint for node in nodes}


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"fig99": {"all": []}}, "figures.fig99 is no figure of the paper"),
        ({"fig5": {}}, "figures.fig5 has no case"),
        ({"fig5": {"all": ["teacher=gpt-oss-12b"]}}, "did you mean 'gpt-oss-120b'"),
        ({"fig5": {"all": ["train.epoch=2"]}}, "did you mean 'train.epochs'"),
        ({"fig5": {"all": ["train.epochs=-1"]}}, "figures.fig5.all: train.epochs=-1 must be"),
        ({"fig5": {"all": ["teacher=mini"]}}, "figures.fig5.all: .* belong to the miniature world"),
    ],
)
def test_a_wrong_figure_is_refused(figures: dict[str, dict[str, list[str]]], message: str) -> None:
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose("config", [])
        OmegaConf.update(config, "figures", figures, force_add=True)
        with pytest.raises(ConfigError, match=message):
            compose(config)


def test_direct_names_a_method(composed: Compose) -> None:
    with pytest.raises(ConfigError, match=r"direct=.* unknown method 'tesy'; did you mean 'tessy'"):
        composed("experiment=mini", "direct=[tesy]")
