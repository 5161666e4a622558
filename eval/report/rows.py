"""From judged answers to the table: one row a method (and learning rate) and benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from eval.report.data import BASE, EvaluatedModel, ReportData
from eval.report.subsets import Subset, at_k, by
from eval.score import Estimate, interval, paired_difference, paired_p_value
from tessy.errors import DataError
from tessy.records import JudgedAnswer, Part, Writer

Verdicts = dict[int, list[np.ndarray]]  # world -> for each SFT seed passed[problem, run]
Group = tuple[str, float | None]  # method and, in a dial, learning rate

# The order of the paper's story; methods without a place here stand before the last.
COMPARED = (  # tessy is also compared with these
    *("student_only", "teacher_only", "teacher_mix", "teacher_think", "teacher_answer"),
    *("teacher_reference", "teacher_score"),
)
FIRST, LAST = (BASE, *COMPARED), ("tessy",)


@dataclass(frozen=True)
class Row:
    """One line of the table. Shares and pass@1 are fractions in 0..1, None where unknown."""

    method: str
    benchmark: str
    learning_rate: float | None  # of the SFT; None unless several are compared
    score: Estimate
    n_problems: int  # over all worlds
    n_runs: int  # answers to each problem, over all SFT seeds
    n_seeds: int  # SFT seeds a world
    n_worlds: int
    delta_vs_base: Estimate | None  # None for the base model, or where it was not evaluated
    style_student: float | None  # share of answers in the student's style
    style_teacher: float | None
    mean_tokens: float  # an answer
    truncated: float  # share of answers that reached the token limit
    degenerate: float  # share of answers that did so going round in circles
    judge_faults: int  # answers that the judge could not decide; they count as not passed
    teacher_share: float | None  # of the training samples' response tokens
    seed_scores: tuple[float, ...]  # pass@1 of each model behind the row
    delta_p: float | None = None  # of the difference to the base model, by randomization
    pass_at_k: Mapping[int, float] = field(default_factory=dict)  # k = 2, 4, 8, ...
    by_difficulty: tuple[Subset, ...] = ()
    by_split: tuple[Subset, ...] = ()


@dataclass(frozen=True)
class Difference:
    """A paired difference in pass@1 between two methods that were both trained."""

    method: str
    against: str
    benchmark: str
    learning_rate: float | None
    difference: Estimate


@dataclass(frozen=True)
class Table:
    """The result of an experiment: what `results.json` and the terminal show."""

    experiment: str
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]

    @property
    def is_dial(self) -> bool:
        return any(row.learning_rate is not None for row in self.rows)


def build_table(data: ReportData, resamples: int, seed: int = 0) -> Table:
    """Score every model of the report.

    Raises:
        DataError: there are no models, or those that must be paired were not asked the same
            problems equally often.
    """
    final = [m for m in data.models if not m.direct and m.epoch is None]
    if not final:
        raise DataError(
            f"experiment {data.experiment!r} has no answers to report", "run stage=evaluate first"
        )
    rates = {m.learning_rate for m in final if m.learning_rate is not None}
    rows: list[Row] = []
    differences: list[Difference] = []
    for benchmark in dict.fromkeys(m.benchmark for m in final):
        groups = _groups([m for m in final if m.benchmark == benchmark], len(rates) > 1)
        verdicts = {key: verdicts_of(models) for key, models in groups.items()}
        base = verdicts.get((BASE, None))
        for (method, rate), models in groups.items():
            passed = verdicts[method, rate]
            delta = delta_p = None
            if base is not None and method != BASE:
                shared = {w: base[w] for w in passed if w in base}
                delta = paired_difference(passed, shared, resamples, seed)
                delta_p = paired_p_value(passed, shared, seed=seed)
            score = interval(passed, resamples, seed)
            row = _row(data, method, rate, benchmark, models, passed, score, delta)
            rows.append(
                replace(
                    row,
                    delta_p=delta_p,
                    pass_at_k=at_k(passed),
                    by_difficulty=by(models, "difficulty", resamples, seed),
                    by_split=by(models, "split", resamples, seed),
                )
            )
            for other in COMPARED:
                if method in LAST and (other, rate) in verdicts:
                    pair = paired_difference(passed, verdicts[other, rate], resamples, seed)
                    differences.append(Difference(method, other, benchmark, rate, pair))
    return Table(data.experiment, tuple(rows), tuple(differences))


def method_order(methods: Iterable[str]) -> list[str]:
    """Methods as the tables and figures list them, each once."""
    present = list(dict.fromkeys(methods))
    middle = sorted(m for m in present if m not in FIRST + LAST)
    return [m for m in (*FIRST, *middle, *LAST) if m in present]


def teacher_share(data: ReportData, method: str) -> float | None:
    """Share of a method's response tokens that the teacher wrote; None without its data."""
    tokens = writer_tokens(data, method)
    total = sum(tokens.values())
    written = tokens["teacher", "think"] + tokens["teacher", "answer"]
    return written / total if total else None


def writer_tokens(data: ReportData, method: str) -> dict[tuple[str, str], float]:
    """Mean tokens a sample by (writer, part), with the student's tokenizer."""
    written = [d.written for d in data.datasets if d.method == method]
    samples = max(sum(w.samples for w in written), 1)
    roles: tuple[Writer, ...] = ("student", "teacher")
    parts: tuple[Part, ...] = ("think", "answer")
    return {
        (role, part): sum(w.tokens.get((role, part), 0) for w in written) / samples
        for part in parts
        for role in roles
    }


def _groups(models: Sequence[EvaluatedModel], dial: bool) -> dict[Group, list[EvaluatedModel]]:
    groups: dict[Group, list[EvaluatedModel]] = {}
    for method in method_order(m.method for m in models):
        mine = [m for m in models if m.method == method]
        for model in sorted(mine, key=lambda m: (m.learning_rate or 0, m.world, m.sft_seed or 0)):
            groups.setdefault((method, model.learning_rate if dial else None), []).append(model)
    return groups


def verdicts_of(models: Sequence[EvaluatedModel]) -> Verdicts:
    """Arrays passed[problem, run]; problems in the same (sorted) order for every model.

    Raises:
        DataError: a model has not answered every problem equally often, or the seeds of a world
            were not asked the same problems.
    """
    verdicts: Verdicts = {}
    asked: dict[int, set[tuple[str, int]]] = {}
    for model in models:
        passed = {answer.key: answer.passed for answer in model.answers}
        problems = sorted({problem for problem, _ in passed})
        runs = sorted({run for _, run in passed})
        if not passed or len(passed) != len(problems) * len(runs):
            raise DataError(
                f"{model.artifact}: {len(passed)} answers are not {len(problems)} problems x "
                f"{len(runs)} runs",
                "run stage=evaluate again to complete it",
            )
        if asked.setdefault(model.world, set(passed)) != set(passed):
            raise DataError(
                f"{model.artifact} answers other problems than the other seeds of its world",
                "evaluate all seeds with the same benchmark options",
            )
        table = np.array([[passed[p, r] for r in runs] for p in problems], dtype=bool)
        verdicts.setdefault(model.world, []).append(table)
    return verdicts


def _row(
    data: ReportData,
    method: str,
    rate: float | None,
    benchmark: str,
    models: Sequence[EvaluatedModel],
    passed: Verdicts,
    score: Estimate,
    delta: Estimate | None,
) -> Row:
    answers = [answer for model in models for answer in model.answers]
    n_problems = sum(len(seeds[0]) for seeds in passed.values())
    return Row(
        method=method,
        benchmark=benchmark,
        learning_rate=rate,
        score=score,
        n_problems=n_problems,
        n_runs=round(len(answers) / n_problems),
        n_seeds=max(len(seeds) for seeds in passed.values()),
        n_worlds=len(passed),
        delta_vs_base=delta,
        style_student=_style(answers, "student"),
        style_teacher=_style(answers, "teacher"),
        mean_tokens=float(np.mean([a.n_tokens for a in answers])),
        truncated=float(np.mean([a.finish in ("length", "degenerate") for a in answers])),
        degenerate=float(np.mean([a.finish == "degenerate" for a in answers])),
        judge_faults=sum(a.verdict == "judge_fault" for a in answers),
        teacher_share=teacher_share(data, method),
        seed_scores=tuple(float(table.mean()) for seeds in passed.values() for table in seeds),
    )


def _style(answers: Sequence[JudgedAnswer], writer: str) -> float | None:
    styles: list[Mapping[str, float]] = [a.style for a in answers if writer in a.style]
    return float(np.mean([style[writer] for style in styles])) if styles else None
