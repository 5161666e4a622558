"""The paper's tables and figures: ours beside theirs, and what is missing shown as missing."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from pathlib import Path

import pytest
import yaml

from eval.report.data import Case, ReportData, Study
from eval.report.paper import latex, tables
from eval.report.paper.cells import Cell, cells
from eval.report.paper.figures import FIGURES
from eval.report.paper.reference import reference
from eval.report.study import terminal, write_study
from eval.score import Estimate
from tessy.checkpoints import locate
from tessy.config import ReportConfig
from tessy.pipeline.cases import PAPER
from tests.eval.report.synthetic import make
from tests.eval.report.test_page import HOSTILE, browser, open_page, requested

CONFIG = ReportConfig(examples=2, bootstrap=300, style_responses=0)


def data(
    student: str = "qwen3-8b", teacher: str = "gpt-oss-120b", benchmark: str = "ojbench"
) -> ReportData:
    """A made-up experiment of the models that the paper has numbers of."""
    made = make(worlds=1, seeds=2, problems=40)
    return dataclasses.replace(
        made,
        student=student,
        teacher=teacher,
        models=tuple(dataclasses.replace(m, benchmark=benchmark) for m in made.models),
        datasets=tuple(
            dataclasses.replace(
                d, artifact=f"{d.method}-{teacher}", vocabulary=locate("mini:student")
            )
            for d in made.datasets
        ),
    )


def case(figure: str, name: str = "all", **of: str) -> Case:
    return Case(figure, name, "qwen3-8b", 40960, data(**of))


def study(*cases: Case) -> Study:
    return Study("paper", cases, (), {"seed": 0}, {"sft: dropped": 2})


def found(figure: str, *cases: Case) -> dict[tuple[str, str, str], Cell]:
    return {cell.place: cell for cell in cells(FIGURES[figure], cases, (), 300)}


def test_every_figure_has_a_form_and_the_reference_knows_no_other() -> None:
    assert tuple(FIGURES) == PAPER
    path = Path(tables.__file__).with_name("paper_results.yaml")
    assert set(yaml.safe_load(path.read_text())) <= set(FIGURES)
    assert {key for key in FIGURES if not reference(key)} == {"fig8", "fig15", "fig16"}
    assert reference("table1")["ojbench", "qwen3-8b", "tessy"] == 25.43


def test_ours_stands_beside_the_paper_s_with_the_difference() -> None:
    cell = found("table1", case("table1"))["ojbench", "qwen3-8b", "tessy"]
    assert cell.ours is not None and cell.difference is not None and cell.paper == 25.43
    assert cell.difference.value == pytest.approx(cell.ours.value - 25.43)
    assert cell.difference.low == pytest.approx(cell.ours.low - 25.43)
    assert "40 problems; 4 answers each; SFT seeds 0, 1" in cell.note
    assert len(cell.artifacts) == 2


def test_a_benchmark_that_was_not_evaluated_is_shown_as_missing() -> None:
    waiting = dataclasses.replace(case("table1"), planned=("evaluate tessy-lcb_pro",))
    cell = found("table1", waiting)["lcb_pro", "qwen3-8b", "tessy"]
    assert cell.ours is None and cell.paper == 36.69 and cell.difference is None
    assert cell.note == "not measured; 1 stages are to do"


def test_what_the_paper_has_no_value_of_is_shown_alone() -> None:
    shown = found("table1", case("table1", student="mini", benchmark="mini"))
    mine = shown["mini", "mini", "tessy"]
    assert mine.ours is not None and mine.paper is None
    assert tables.printed(FIGURES["table1"], [mine])[0][4:6] == ["–", "–"]


def test_numbers_of_other_models_than_the_paper_s_are_shown_by_themselves(tmp_path: Path) -> None:
    mini = case("table1", student="mini", benchmark="mini")
    [shown] = write_study(study(mini), tmp_path, CONFIG)
    titles, rows = tables.wide(shown.figure, shown.cells)
    assert len(titles) == 2 and [row[0] for row in rows] == [
        *("Base model", "Student-Only", "Teacher-Only", "TESSY")
    ]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The paper&#8217;s 64 numbers, which are of other models" in page
    assert "Diamonds" not in page
    [_, said] = terminal([shown])
    assert "64 numbers of the paper are of other models." in str(said)
    both = found("table1", mini, case("table1")).values()
    assert len(tables.wide(FIGURES["table1"], list(both))[0]) == 10, "one of ours has a partner"


def test_short_numbers_are_rounded() -> None:
    cell = Cell("mini", "mini", "tessy", Estimate(42.08, 35.82, 48.37), None)
    assert tables.wide(FIGURES["table1"], [cell])[1] == [["TESSY", "42.1 [35.8, 48.4]"]]


def test_a_number_of_almost_no_data_is_marked(tmp_path: Path) -> None:
    mini = case("table1", student="mini", benchmark="mini")
    thin = tuple(
        dataclasses.replace(
            d, trajectories=[dataclasses.replace(t, finish="length") for t in d.trajectories]
        )
        if d.method == "tessy"
        else d
        for d in mini.data.datasets
    )
    mini = dataclasses.replace(mini, data=dataclasses.replace(mini.data, datasets=thin))
    [shown] = write_study(study(mini), tmp_path, CONFIG)
    marked = {cell.bar for cell in shown.cells if cell.hollow}
    assert marked == {"tessy"}
    rows = dict(tables.wide(shown.figure, shown.cells)[1])
    assert rows["TESSY"].endswith("] †") and "†" not in rows["Teacher-Only"]
    assert r"\dag{}" in (tmp_path / "paper" / "table1.tex").read_text(encoding="utf-8")
    assert any("tessy says nothing about the method" in what for what in shown.missing)


def test_a_bar_is_named_by_who_wrote_teaches_or_differs() -> None:
    teachers = found("fig5", case("fig5"), case("fig5", "r1", teacher="deepseek-r1-0528"))
    assert teachers["ojbench", "deepseek-r1-0528", "tessy"].paper == 19.61
    assert teachers["ojbench", "gpt-oss-120b", "tessy"].ours is not None
    authors = found("fig4", dataclasses.replace(case("fig4"), author="qwen3-30b-a3b"))
    assert authors["ojbench", "qwen3-8b", "qwen3-30b-a3b"].paper == 23.49
    lora = found("fig13", case("fig13", "full"), case("fig13", "lora"))
    assert lora["ojbench", "qwen3-8b", "teacher_only_lora"].paper == 3.40
    assert ("ojbench", "qwen3-8b", "base_lora") not in lora  # it is the same model


def test_epochs_are_told_apart_and_the_trained_model_is_the_last() -> None:
    whole = case("fig11")
    early = [
        dataclasses.replace(m, epoch=epoch)
        for m in whole.data.models
        for epoch in (1, 2)
        if m.method == "tessy"
    ]
    models = tuple(m for m in whole.data.models if m.method == "tessy")
    shown = found(
        "fig11",
        dataclasses.replace(whole, data=dataclasses.replace(whole.data, models=(*models, *early))),
    )
    measured = [bar for (_, _, bar), cell in shown.items() if cell.ours is not None]
    assert measured == ["1", "2", "3"]
    assert shown["ojbench", "tessy", "9"].paper == 25.43  # ours has fewer epochs


def test_tokens_and_shares_are_those_of_the_data() -> None:
    tokens = found("fig12", case("fig12"))
    assert tokens["tokens", "gpt-oss-120b", "tessy"].paper == 14602
    assert tokens["tokens", "qwen3-8b", "student_only"].ours is not None
    shares = found("fig17", case("fig17"))
    both = [shares["share", "gpt-oss-120b", w].ours for w in ("teacher", "student")]
    assert sum(share.value for share in both if share) == pytest.approx(100)


def test_thin_data_is_named_beside_its_number(tmp_path: Path) -> None:
    whole = case("table1")
    thin = tuple(
        dataclasses.replace(
            d, trajectories=[dataclasses.replace(t, finish="length") for t in d.trajectories]
        )
        for d in whole.data.datasets
    )
    hollow = dataclasses.replace(whole, data=dataclasses.replace(whole.data, datasets=thin))
    (shown,) = write_study(study(hollow), tmp_path, CONFIG)
    assert any("tessy says nothing about the method: trained on 0 of 6" in m for m in shown.missing)


def test_every_format_says_the_same(tmp_path: Path) -> None:
    (shown,) = write_study(study(case("table1")), tmp_path, CONFIG)
    rows = json.loads((tmp_path / "paper/table1.json").read_text())
    assert rows == json.loads((tmp_path / "results.json").read_text())
    with (tmp_path / "paper/table1.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [row["paper"] or "" for row in lines] == [str(row["paper"] or "") for row in rows]
    mine = next(r for r in rows if (r["panel"], r["bar"]) == ("ojbench", "tessy"))
    said = f"{mine['ours']:.2f} [{mine['ci95'][0]:.2f}, {mine['ci95'][1]:.2f}]"
    for name in ("paper/table1.md", "results.md", "report.html"):
        assert said in (tmp_path / name).read_text(), name
    source = (tmp_path / "paper/table1.tex").read_text()
    assert r"\toprule" in source and "TESSY" in source and "(25.43)" in source
    assert (tmp_path / "paper/table1.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "paper/table1.pdf").read_bytes()[:5] == b"%PDF-"
    assert terminal([shown])


def test_the_same_numbers_give_the_same_files(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_study(study(case("fig5")), tmp_path / folder, CONFIG)
    for path in sorted((tmp_path / "a").rglob("*")):
        if path.is_file():
            other = tmp_path / "b" / path.relative_to(tmp_path / "a")
            assert path.read_bytes() == other.read_bytes(), path


@pytest.mark.parametrize("figure", ["fig8", "fig14", "fig15", "fig16"])
def test_figures_of_data_and_training_are_drawn(tmp_path: Path, figure: str) -> None:
    (shown,) = write_study(study(case(figure)), tmp_path, CONFIG)
    assert shown.png and not shown.missing
    assert json.loads((tmp_path / f"paper/{figure}.json").read_text())


@pytest.mark.parametrize("figure", ["fig8", "fig14", "fig15", "fig16"])
def test_without_data_they_are_missing_and_say_why(tmp_path: Path, figure: str) -> None:
    empty = dataclasses.replace(data(), models=(), datasets=(), curves=())
    (shown,) = write_study(study(Case(figure, "all", "qwen3-8b", 1, empty)), tmp_path, CONFIG)
    page = (tmp_path / "report.html").read_text()
    if figure == "fig14":  # the paper's numbers are there
        assert shown.png and all(cell.ours is None for cell in shown.cells)
    else:
        assert not shown.png and len(shown.missing) == 1 and "Missing: 1" in page


def test_a_machine_without_latex_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    write_study(study(case("fig5")), tmp_path, CONFIG)
    assert (
        "this machine has neither tectonic nor pdflatex" in (tmp_path / "report.html").read_text()
    )
    assert r"\input{fig5.tex}" in (tmp_path / "paper" / latex.DOCUMENT).read_text()


def test_latex_reads_names_as_text() -> None:
    cell = Cell("a_b", "50%", "x&y {z}", Estimate(1, 0.5, 1.5), None)
    source = tables.to_latex(FIGURES["fig3"], [cell])
    body = source[source.index(r"\midrule") : source.index(r"\bottomrule")]
    assert r"a\_b" in source and r"x\&y \{z\}" in body
    assert not re.search(r"(?<!\\)[_%]", body)


@browser
def test_the_page_asks_for_nothing_and_hostile_text_stays_text(tmp_path: Path) -> None:
    hostile = make(worlds=1, seeds=1, problems=10, text=HOSTILE)
    whole = Study(
        f"paper{HOSTILE}",
        (Case("table1", "all", "s", 512, hostile), Case("fig15", "all", "s", 512, hostile)),
        hostile.costs,
        hostile.provenance,
        hostile.drops,
    )
    write_study(whole, tmp_path, CONFIG)
    dom, log = open_page(tmp_path / "report.html", tmp_path / "profile")
    assert "owned</title>" not in dom and "Content Security Policy" not in log
    assert [u for u in requested(tmp_path / "profile") if "report.html" not in u] == []
    assert dom.count("<img alt=") == 2


def test_models_of_epochs_and_direct_responses_are_not_in_the_methods_table() -> None:
    from eval.report.rows import build_table

    plain = data()
    more = tuple(
        dataclasses.replace(m, epoch=1) for m in plain.models if m.method == "tessy"
    ) + tuple(dataclasses.replace(m, direct=True) for m in plain.models if m.method == "tessy")
    both = [
        build_table(dataclasses.replace(plain, models=models), 200)
        for models in (plain.models, plain.models + more)
    ]
    assert both[0] == both[1]
