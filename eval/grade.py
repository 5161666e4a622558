"""Grade responses that somebody else generated: `python -m eval.grade BENCHMARK --help`.

Each line of the output is a line of the responses with `verdict`, `is_passed`, `tests` and
`message` added. What an interrupted grading wrote is kept: the same command goes on behind it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from eval.benchmarks import Benchmark, Finder, find_benchmark, kinds
from eval.judge.sandbox import check_isolation
from eval.judge.spec import Judgement
from eval.published import readable_folder
from tessy.config import JudgeConfig
from tessy.errors import DataError, TessyError
from tessy.journal import LineFile
from tessy.progress import bar
from tessy.records import Problem

UNJUDGED = "unjudged"  # the verdict on a response that no problem or no program can be found for
_AHEAD = 4  # lines read ahead of the one to be written, for each worker


@dataclass
class _Grading:
    """What all lines of a grading share."""

    benchmark: Benchmark
    find: Finder
    config: JudgeConfig
    pool: ThreadPoolExecutor
    # By problem and program: judgements to come, and what an earlier run has written.
    judged: dict[str, Future[Judgement]] = field(default_factory=dict)
    known: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def added(self) -> frozenset[str]:
        """Names of the fields that grading adds to a row."""
        return frozenset(_result(self.benchmark, Judgement("judge_fault")))


def grade(
    kind: str, data: Path, responses: Path, out: Path, workers: int, testlib: str = ""
) -> Counter[str]:
    """Judge the responses of a file, line by line, into another one.

    The same program on the same problem is judged once. A line that cannot be judged has the
    verdict "unjudged" and says why; the rest goes on.

    Args:
        data: the benchmark's tests, as published.
        responses: JSON lines with the benchmark's own keys and `content`.
        out: JSON lines; what is there already is of an earlier run of the same command.

    Returns:
        How many lines there are of each verdict; and "kept" from before.

    Raises:
        MissingError: no such benchmark, or a package that it needs.
        SandboxError: programs cannot be isolated on this machine.
        DataError: the data or the responses cannot be read, or the output is of other responses.
        StorageError: the disk refuses.
    """
    benchmark = find_benchmark(kind)
    if benchmark.needs_sandbox:
        check_isolation()
    readable_folder(data, "give the benchmark's data as published as --data")
    total = _count_lines(responses)
    counts: Counter[str] = Counter()
    pool = ThreadPoolExecutor(workers, "judge")
    grading = _Grading(benchmark, benchmark.open_data(data), JudgeConfig(testlib=testlib), pool)
    try:
        with LineFile(out) as file:
            kept = counts["kept"] = _read_kept(grading, file, responses, out)
            with bar(total, f"grade {kind}", "responses", kept) as progress:
                for line in _graded(grading, responses, kept, _AHEAD * workers):
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
                    counts[line["verdict"]] += 1
                    progress.update()
    finally:
        pool.shutdown(cancel_futures=True)  # nothing waits any more, unless it was interrupted
    return counts


def _graded(grading: _Grading, responses: Path, skip: int, ahead: int) -> Iterator[dict[str, Any]]:
    """Lines in their order, while those behind them are judged already."""
    lines = islice(_lines(responses), skip, None)
    waiting = deque(_begun(grading, *line) for line in islice(lines, ahead))
    while waiting:
        row, result = waiting.popleft()
        waiting.extend(_begun(grading, *line) for line in islice(lines, 1))
        if isinstance(result, Future):
            result = _result(grading.benchmark, result.result())
        yield row | result


def _begun(
    grading: _Grading, where: str, line: bytes
) -> tuple[dict[str, Any], Future[Judgement] | dict[str, Any]]:
    """A response, and its result or its judgement to come."""
    row: dict[str, Any] = {}
    try:
        row = _row(line, where)
        key, problem, source = _what(grading, row, where)
    except DataError as error:
        said = str(error) if where in str(error) else f"{where}: {error}"
        return row, _fields(UNJUDGED, False, [], said)
    if key in grading.known:
        return row, grading.known[key]
    if key not in grading.judged:
        judge = grading.benchmark.judge
        grading.judged[key] = grading.pool.submit(judge, problem, source, grading.config)
    return row, grading.judged[key]


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON ({error})", "mend the line") from None
    if not isinstance(row, dict):
        raise DataError(f"{where} is not a JSON object", "mend the line")
    return row


def _what(grading: _Grading, row: Mapping[str, Any], where: str) -> tuple[str, Problem, str | None]:
    """What a row asks to judge: a name of problem and program, the problem, and the program."""
    keys = grading.benchmark.keys
    for key in (*keys, "content"):
        if key not in row:
            raise DataError(f"{where} has no {key!r}", f"it needs {', '.join(keys)} and content")
        wanted = (str,) if key == "content" else (str, int)
        if not isinstance(row[key], wanted) or isinstance(row[key], bool):
            raise DataError(f"{where}: {key} is {row[key]!r:.80}", "mend the line")
    problem = grading.find(row)
    source = grading.benchmark.extract(problem, row["content"])
    name = json.dumps([problem.problem_id, problem.data, dict(problem.metadata), source])
    return hashlib.sha256(name.encode()).hexdigest(), problem, source


def _result(benchmark: Benchmark, got: Judgement) -> dict[str, Any]:
    words: Mapping[str, str] = benchmark.words
    tests = [
        {
            "verdict": words.get(run.verdict, run.verdict),
            "cpu_ms": round(run.cpu_ms, 3),
            "wall_ms": round(run.wall_ms, 3),
            "memory_kb": run.memory_kb,
        }
        for run in got.runs
    ]
    verdict = words.get(got.verdict, got.verdict)
    return _fields(verdict, got.passed, tests, got.message) | dict(benchmark.extra(got))


def _fields(verdict: str, passed: bool, tests: list[Any], message: str) -> dict[str, Any]:
    return {"verdict": verdict, "is_passed": passed, "tests": tests, "message": message}


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Lines that are not blank, each with its place."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path}:{number}", line
    except OSError as error:
        raise DataError(f"--responses {path} cannot be read ({error.strerror})") from None


def _count_lines(path: Path) -> int:
    return sum(1 for _ in _lines(path))


def _read_kept(grading: _Grading, file: LineFile, responses: Path, out: Path) -> int:
    """How many lines an earlier run has written; what they say is known of other lines as well.

    Raises:
        DataError: a line is not of the same response.
    """
    kept = 0
    fault = _result(grading.benchmark, Judgement("judge_fault"))["verdict"]
    lines = _lines(responses)
    for kept, (_, written) in enumerate(file.earlier(), 1):
        where, line = next(lines, ("", b""))
        before = _row(written.encode(), f"{out}:{kept}")
        try:
            row = _row(line, where)
        except DataError:
            row = {}
        carried = {name: value for name, value in row.items() if name not in grading.added}
        if not line or any(before.get(name) != value for name, value in carried.items()):
            raise DataError(
                f"{out}:{kept} is not the result of line {kept} of {responses}",
                "give another --out, or delete it",
            )
        try:
            key, _, _ = _what(grading, row, where)
        except DataError:
            continue
        if before["verdict"] != fault:  # which may be over by now
            grading.known[key] = {name: before[name] for name in grading.added if name in before}
    return kept


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit status is 0 where every response has been judged or counted."""
    parser = argparse.ArgumentParser(prog="python -m eval.grade", description=__doc__)
    parser.add_argument("benchmark", choices=kinds(), metavar=f"BENCHMARK ({', '.join(kinds())})")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data as published")
    parser.add_argument("--responses", type=Path, required=True, help="JSON lines to be judged")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines with verdicts")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--testlib", default="", help="folder with testlib.h")
    chosen = parser.parse_args(arguments)
    if chosen.workers < 1:
        parser.error("--workers must be at least 1")
    try:
        counts = grade(
            chosen.benchmark,
            chosen.data,
            chosen.responses,
            chosen.out,
            chosen.workers,
            chosen.testlib,
        )
    except TessyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    kept = counts.pop("kept")
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    before = f" ({kept} were judged before)" if kept else ""
    print(f"{chosen.out}: {said or 'nothing to do'}{before}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
