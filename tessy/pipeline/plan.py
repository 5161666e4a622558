"""`stage=plan`: the graph, what is done and to do, what it needs and what is missing here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tessy.checkpoints import locate
from tessy.config import STAGES, Experiment
from tessy.errors import TessyError
from tessy.machine import visible_gpus
from tessy.pipeline.disk import free_bytes
from tessy.pipeline.estimate import ASSUMPTIONS, Estimate, estimate
from tessy.pipeline.graph import by_case
from tessy.pipeline.node import Node
from tessy.pipeline.requirements import missing, models, nodes_by_case, weights
from tessy.pipeline.store import Store
from tessy.pipeline.training import training_lines


def show_plan(
    experiment: Experiment,
    nodes: Sequence[Node],
    done: Sequence[Node],
    store: Store,
    console: Console,
) -> None:
    """Print the plan; write and run nothing.

    Args:
        experiment: what is planned.
        nodes: its graph.
        done: the nodes whose artifacts are complete.
        store: where they lie.
        console: where to print.
    """
    finished = {node.fingerprint for node in done}
    todo = [node for node in nodes if node.fingerprint not in finished]
    console.print(_node_table(experiment, nodes, finished, store))
    if experiment.cases:
        console.print(_figure_table(experiment))
    console.print(_stage_table(experiment, nodes, finished))
    console.print(f"Estimates assume {ASSUMPTIONS}.", style="dim")
    trained = [
        name for name, of in nodes_by_case(todo).items() if any(n.stage == "sft" for n in of)
    ]
    for lines in dict.fromkeys(tuple(training_lines(experiment.case(name))) for name in trained):
        console.print(*lines, sep="\n", markup=False, highlight=False)
    _print_models(experiment, todo, console)
    free = free_bytes(store.outputs.absolute())
    console.print(
        f"This machine: {len(visible_gpus())} GPUs, {free / 1e9:.0f} GB free in {store.outputs}."
    )
    absent = missing(experiment, todo)
    is_mini = any(e.is_mini for e in experiment.cases.values() or [experiment])
    if absent:
        console.print(f"\nMissing here, {len(absent)}:", style="bold red")
        for item in absent:
            console.print(f"  - {item}", markup=False, highlight=False)
        console.print("experiment=mini runs on this machine." if not is_mini else "")
    elif todo:
        console.print("Nothing is missing: run the same command with stage=all.", style="bold")
    else:
        console.print("Everything is done.", style="bold")


def _node_table(
    experiment: Experiment, nodes: Sequence[Node], finished: set[str], store: Store
) -> Table:
    table = Table(title=f"The stage graph of experiment {experiment.name}")
    for column in ("stage", "artifact", "from", "state"):
        table.add_column(column, overflow="fold")
    shown = ""
    for node in nodes:
        state = "done" if node.fingerprint in finished else "to do"
        if state == "to do" and store.folder(node).exists():
            state = "begun"
        # A model's data and scores bear its own name, where the stage says enough.
        parents = ", ".join(
            dict.fromkeys(p.name if p.stage == node.stage else p.stage for p in node.parents)
        )
        if node.subject.case != shown and node.stage != "report":
            shown = node.subject.case
            table.add_section()
            table.add_row("", f"for {shown}:", "", "", style="bold")
        table.add_row(node.stage, f"{node.name} {node.fingerprint[:8]}", parents or "-", state)
    return table


def _figure_table(experiment: Experiment) -> Table:
    """What each figure needs, and how much of it no figure above it needed."""
    stages = ("synthesize", "sft", "evaluate")
    table = Table(title="What each table and figure needs (new: not shared with those above)")
    for column in ("figure", "cases", *stages, "new"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    seen: set[str] = set()
    figures: dict[str, dict[str, Node]] = {}
    for name, nodes in by_case(experiment):
        mine = figures.setdefault(name.partition("/")[0], {})
        mine |= {node.fingerprint: node for node in nodes if node.stage in stages}
    for figure, needed in figures.items():
        counts = [sum(node.stage == stage for node in needed.values()) for stage in stages]
        new = sum(fingerprint not in seen for fingerprint in needed)
        seen |= needed.keys()
        table.add_row(figure, *map(str, (len(experiment.figures[figure]), *counts, new)))
    return table


def _stage_table(experiment: Experiment, nodes: Sequence[Node], finished: set[str]) -> Table:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    needs: dict[str, Estimate] = defaultdict(Estimate)
    for node in nodes:
        done = node.fingerprint in finished
        counts[node.stage][0 if done else 1] += 1
        if not done:
            needs[node.stage] += estimate(node, experiment)
    table = Table(title="What is to do, and what it will need")
    for column in ("stage", "done", "to do", "tokens", "GPU hours", "disk"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for stage in STAGES:
        if stage in counts:
            table.add_row(stage, *map(str, counts[stage]), *_amounts(needs[stage]))
    total = sum(needs.values(), Estimate())
    table.add_section()
    table.add_row(
        "all", *(str(sum(c[i] for c in counts.values())) for i in (0, 1)), *_amounts(total)
    )
    return table


def _amounts(need: Estimate) -> tuple[str, str, str]:
    return (
        f"{need.tokens:,.0f}" if need.tokens else "-",
        f"{need.gpu_hours:,.0f}" if need.gpu_hours else "-",
        f"{need.disk / 1e9:,.2f} GB" if need.disk else "-",
    )


def _print_models(experiment: Experiment, todo: Sequence[Node], console: Console) -> None:
    console.print("\nModels and data:")
    needed: dict[str, str] = {}
    with_weights: set[str] = set()
    benchmarks: dict[str, str] = {}
    questions: dict[str, None] = {}
    for name, nodes in nodes_by_case(todo).items():
        case = experiment.case(name)
        needed |= models(case, nodes)
        with_weights |= weights(case, nodes)
        questions[case.questions.path or case.questions.source] = None
        benchmarks |= {key: b.split or "all" for key, b in case.benchmarks.items()}
    for path, purpose in needed.items():
        try:
            where = str(locate(path, path in with_weights))
        except TessyError:
            where = "not on this machine"
        console.print(f"  {purpose}: {path} ({where})", markup=False, highlight=False)
    for asked in questions:
        console.print(f"  questions: {asked}", markup=False, highlight=False)
    for name, split in benchmarks.items():
        console.print(f"  benchmark {name}: {split}", highlight=False)
