"""GPUs are divided so that servers meet only where they must, and never by accident."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessy.config import ServerConfig
from tessy.engines.serving.places import Place, place
from tessy.errors import ConfigError
from tessy.records import Writer

ONE = ServerConfig()


def places(
    n_gpus: int,
    student: ServerConfig | None = ONE,
    teacher: ServerConfig | None = ONE,
    width: tuple[int, int] = (1, 1),
) -> dict[str, tuple[tuple[int, ...], float]]:
    """GPUs and memory share by server."""
    servers: dict[Writer, ServerConfig] = {}
    if student:
        servers["student"] = student
    if teacher:
        servers["teacher"] = teacher
    done = place(servers, {"student": width[0], "teacher": width[1]}, n_gpus)
    return {p.name: (p.gpus, round(p.memory_share, 6)) for p in done}


@pytest.mark.parametrize(
    ("n_gpus", "replicas", "width", "expected"),
    [
        (2, (1, 1), (1, 1), {"student-0": (0,), "teacher-0": (1,)}),
        (8, (1, 1), (1, 4), {"student-0": (4,), "teacher-0": (0, 1, 2, 3)}),
        (8, (2, 1), (2, 4), {"student-0": (4, 5), "student-1": (6, 7), "teacher-0": (0, 1, 2, 3)}),
        (8, (4, 2), (1, 2), {f"student-{i}": (4 + i,) for i in range(4)}
         | {"teacher-0": (0, 1), "teacher-1": (2, 3)}),
    ],
)  # fmt: skip
def test_with_room_roles_and_replicas_have_gpus_of_their_own(
    n_gpus: int,
    replicas: tuple[int, int],
    width: tuple[int, int],
    expected: dict[str, tuple[int, ...]],
) -> None:
    student, teacher = (dataclasses.replace(ONE, replicas=n) for n in replicas)
    done = places(n_gpus, student, teacher, width)
    assert {name: gpus for name, (gpus, _) in done.items()} == expected
    assert {share for _, share in done.values()} == {0.9}


def test_two_roles_share_the_only_gpu_and_its_memory() -> None:
    assert places(1) == {"student-0": ((0,), 0.45), "teacher-0": ((0,), 0.45)}
    unequal = places(1, ServerConfig(memory_share=0.3), ServerConfig(memory_share=0.8))
    assert unequal == {"student-0": ((0,), 0.15), "teacher-0": ((0,), 0.4)}
    assert places(1, teacher=None) == {"student-0": ((0,), 0.9)}


def test_where_a_wide_role_takes_all_gpus_the_other_shares_one_of_them() -> None:
    done = places(4, width=(1, 4))
    assert done == {"student-0": ((0,), 0.45), "teacher-0": ((0, 1, 2, 3), 0.45)}


def test_named_gpus_are_taken_in_their_order_and_the_other_role_keeps_off_them() -> None:
    named = ServerConfig(replicas=2, gpus=(3, 2, 1, 0), memory_share=0.7)
    done = places(6, named, ONE, (2, 2))
    assert done == {
        "student-0": ((3, 2), 0.7),
        "student-1": ((1, 0), 0.7),
        "teacher-0": ((4, 5), 0.9),
    }


def test_without_gpus_every_replica_is_on_the_cpu() -> None:
    done = places(0, ServerConfig(replicas=2))
    assert done == {"student-0": ((), 0.9), "student-1": ((), 0.9), "teacher-0": ((), 0.9)}


@pytest.mark.parametrize(
    ("n_gpus", "student", "width", "said"),
    [
        (2, ONE, 4, "need 4 GPUs, this machine has 2; set serve.student.replicas or student."),
        (2, ServerConfig(replicas=3), 1, "need 3 GPUs, this machine has 2"),
        (4, ServerConfig(gpus=(0, 1)), 4, "are 2, but serve.student.replicas=1 with student.t"),
        (4, ServerConfig(gpus=(0, 1)), 1, "need 1; name as many, or change serve.student.repl"),
        (4, ServerConfig(gpus=(1, 1)), 2, "serve.student.gpus=[1, 1] names a GPU twice"),
        (4, ServerConfig(gpus=(4,)), 1, "this machine has no GPU 4; choose from 0 to 3"),
        (0, ServerConfig(gpus=(0,)), 1, "this machine has no GPU; set serve.student.gpus=[]"),
        (0, ONE, 2, "student.tensor_parallel=2, but this machine has no GPU; set student.tensor"),
        (1, ServerConfig(gpus=(0,)), 1, "GPU 0 would give 1.35 of its memory: 0.90 for student-0"
         " and 0.45 for teacher-0; set serve.student.memory_share and serve.teacher.memory_sh"),
    ],
)  # fmt: skip
def test_what_cannot_be_placed_says_what_to_set(
    n_gpus: int, student: ServerConfig, width: int, said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        places(n_gpus, student, ONE, (width, 1))
    assert said in str(error.value)


CONFIG = st.builds(
    ServerConfig, replicas=st.integers(1, 4), memory_share=st.floats(0.1, 1.0, exclude_min=True)
)


@given(CONFIG, CONFIG, st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4]), st.integers(1, 16))
def test_a_placement_wastes_no_room_and_promises_no_memory_twice(
    student: ServerConfig, teacher: ServerConfig, s: int, t: int, n_gpus: int
) -> None:
    widths: dict[Writer, int] = {"student": s, "teacher": t}
    servers: dict[Writer, ServerConfig] = {"student": student, "teacher": teacher}
    try:
        done: list[Place] = place(servers, widths, n_gpus)
    except ConfigError:
        assert max(student.replicas * s, teacher.replicas * t) > n_gpus
        return
    users = [sum(gpu in p.gpus for p in done) for gpu in range(n_gpus)]
    assert len(done) == student.replicas + teacher.replicas
    assert all(len(p.gpus) == widths[p.role] for p in done)
    assert all(a + 1 == b for p in done for a, b in pairwise(p.gpus) if max(users) == 1)
    room = student.replicas * s + teacher.replicas * t <= n_gpus
    assert max(users) == (1 if room else 2)
    for gpu in range(n_gpus):
        assert sum(p.memory_share for p in done if gpu in p.gpus) <= 1 + 1e-9
