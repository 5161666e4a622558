"""Our code and the script's on simulated servers: all is accounted for, each time alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.synthesis.kill import kill
from benchmarks.synthesis.limit import limit
from benchmarks.synthesis.lockstep import lockstep
from benchmarks.synthesis.loopback import Load, client_cost
from benchmarks.synthesis.measure import WHOLE_RUN, Figures, Window
from benchmarks.synthesis.oracle import oracle
from benchmarks.synthesis.ours import Orchestration, cooperate
from benchmarks.synthesis.times import FrontEnd, servers
from benchmarks.synthesis.world import World
from tessy.synthesis.journal import Journal

N = 12
MODELS = servers(FrontEnd())
HOW = [Orchestration(N), Orchestration(5), Orchestration(N, streams=False, span_tokens=7)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world", N, 0.03)


@pytest.mark.parametrize("how", HOW)
def test_each_token_is_kept_or_thrown_away_and_the_text_is_the_scripts(
    world: World, tmp_path: Path, how: Orchestration
) -> None:
    run = cooperate(world, MODELS, tmp_path, how)
    with Journal(tmp_path / "journal.jsonl") as journal:
        done = [journal.trajectory(s.task.key) for s in world.samples]
    assert [d.text() for d in done] == [world.text(s) for s in world.samples]
    assert {d.finish for d in done} == {"complete"}
    assert run.kept == sum(s.tokens for s in world.samples)
    assert run.wanted == run.kept + 2 * N  # each thinking and each answer has a stop token
    # What no client received was on its way when the client aborted.
    assert run.wanted < run.received <= run.generated
    assert run.generated - run.received <= run.lag_tokens + 2 * run.aborts
    assert run.aborts == 0 or how.streams


def test_equal_runs_have_equal_figures(world: World, tmp_path: Path) -> None:
    first, second = (cooperate(world, MODELS, tmp_path / name, HOW[0]) for name in "ab")
    assert first == second
    assert lockstep(world, MODELS, N) == lockstep(world, MODELS, N)


def test_no_orchestration_exceeds_the_limit_and_the_script_is_slowest(
    world: World, tmp_path: Path
) -> None:
    steps = {role: model.step for role, model in MODELS.items()}
    most = limit(world, steps, N)
    knowing = oracle(world, MODELS, N)
    ours = cooperate(world, MODELS, tmp_path, HOW[0])
    script = lockstep(world, MODELS, N)
    assert script.kept == ours.kept
    assert script.rate < ours.rate < knowing.rate < most
    assert knowing.generated == knowing.kept


def test_chunks_grow_with_the_load_before_a_front_end_is_late_with_all_of_them(
    tmp_path: Path,
) -> None:
    """Contexts as short as these leave a front end the least time for each chunk."""
    crowd = World(tmp_path / "world", 192, 0.02)

    def rate(interval: int) -> float:
        models = servers(FrontEnd(stream_interval=interval))
        return cooperate(crowd, models, tmp_path / f"{interval}", Orchestration(192)).rate

    by_load, single, best = rate(0), rate(1), rate(4)
    assert single < best / 2, "nothing saturates: this tests nothing"
    assert by_load > 0.85 * best


def test_samples_that_were_begun_are_gone_on_with(tmp_path: Path) -> None:
    world = World(tmp_path / "world", N, 0.03, begun=N // 2)
    rest = sum(s.tokens - s.reached for s in world.samples)
    assert 0 < rest < sum(s.tokens for s in world.samples)
    run = cooperate(world, MODELS, tmp_path, HOW[0])
    script = lockstep(world, MODELS, N)
    assert run.kept == script.kept == rest
    with Journal(tmp_path / "journal.jsonl") as journal:
        for sample in world.samples:
            assert journal.trajectory(sample.task.key).text() == world.text(sample)
    steps = {role: model.step for role, model in MODELS.items()}
    assert script.rate < run.rate < limit(world, steps, N)


def test_a_window_is_a_part_of_the_run(world: World, tmp_path: Path) -> None:
    def ours(window: Window, name: str) -> Figures:
        return cooperate(world, MODELS, tmp_path / name, Orchestration(N, window=window))

    def script(window: Window, name: str) -> Figures:
        return lockstep(world, MODELS, N, window)

    for run in (ours, script):
        whole = run(WHOLE_RUN, "whole")
        third = whole.seconds / 3
        parts = [run(Window(0.0, third), "first"), run(Window(third), "rest")]
        assert parts[0].seconds == pytest.approx(third)
        # A timer more may swap two events of one moment: nearly the same run.
        assert sum(p.seconds for p in parts) == pytest.approx(whole.seconds, rel=0.05)
        for name in ("kept", "wanted", "received", "generated", "requests"):
            assert sum(getattr(p, name) for p in parts) == pytest.approx(
                getattr(whole, name), rel=0.05
            )
        busy = [(1 - p.idle["student"]) * p.seconds for p in (*parts, whole)]
        assert busy[0] + busy[1] == pytest.approx(busy[2], rel=0.05)


def test_the_limit_of_a_window_is_its_share(world: World) -> None:
    steps = {role: model.step for role, model in MODELS.items()}
    halves = [limit(world, steps, N, window) for window in (Window(0.0, 1.0), Window(1.0, 2.0))]
    assert sum(halves) / 2 == pytest.approx(limit(world, steps, N, Window(0.0, 2.0)))
    assert limit(world, steps, N, Window(0.0, 1e9)) == limit(world, steps, N)


def test_the_limit_of_one_sample_is_the_sum_of_its_steps(tmp_path: Path) -> None:
    world = World(tmp_path, 1, 0.01)
    [sample] = world.samples
    constant = {"student": lambda n, context: 6.0, "teacher": lambda n, context: 10.0}
    teacher = sum(b - a for a, b in zip(sample.ends[::2], sample.ends[1::2], strict=False))
    seconds = (10.0 * teacher + 6.0 * (sample.tokens - teacher)) * 1e-3
    assert limit(world, constant, 1) == pytest.approx(sample.tokens / seconds)  # type: ignore[arg-type]


def test_a_kill_loses_the_spans_in_flight_and_changes_no_text(world: World, tmp_path: Path) -> None:
    loss = kill(world, MODELS, tmp_path / "run", HOW[0], 2.0)
    assert loss.same
    assert loss.total > 0
    spans = (b - a for s in world.samples for a, b in zip((0, *s.ends), s.ends, strict=False))
    assert loss.most <= max(max(spans), max(len(s.answer) for s in world.samples))


def test_the_client_speaks_to_a_real_server(tmp_path: Path) -> None:
    cost = client_cost(tmp_path, Load(4, 0.05, warm_up=0.5, measured=2.0))
    assert 0 < cost.user <= cost.total
    assert cost.rate > 0
