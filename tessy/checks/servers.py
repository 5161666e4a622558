"""The servers of engine=vllm."""

from __future__ import annotations

import re

from tessy.config import Experiment, ServeConfig
from tessy.errors import ConfigError

_BASE_URL = r"https?://(\[[0-9a-fA-F:]+\]|[^\s/?#:\[\]]+)(:\d{1,5})?(/[^\s?#]*)?"


def check_local_servers(serve: ServeConfig) -> None:
    if serve.start_seconds <= 0:
        raise ConfigError(
            f"serve.start_seconds={serve.start_seconds:g} must be positive",
            "give a server the minutes that loading its weights takes",
        )
    if serve.restarts < 0:
        raise ConfigError(f"serve.restarts={serve.restarts} is negative", "use 0 for none")
    for role, server in serve.servers.items():
        if server.replicas < 1:
            raise ConfigError(f"serve.{role}.replicas={server.replicas}", "set it to 1 or more")
        if not 0 < server.memory_share <= 1:
            raise ConfigError(
                f"serve.{role}.memory_share={server.memory_share} is outside (0, 1]",
                "set the part of each GPU's memory that a server may take",
            )
        last = server.port + server.replicas - 1
        if server.port and not 1024 <= server.port <= last <= 65535:
            raise ConfigError(
                f"serve.{role}.port={server.port} with {server.replicas} replicas leaves 1024 to "
                "65535",
                "choose another, or 0 for free ones",
            )


def check_servers(e: Experiment) -> None:
    for option in ("retries", "kv_tokens", "stream_interval"):
        value = getattr(e.serve, option)
        if value < 0:
            raise ConfigError(
                f"serve.{option}={value} is negative", f"set serve.{option}=0 or more"
            )
    for role, server in e.serve.servers.items():
        for n, url in enumerate(server.urls):
            if "@" in url:  # it may hold a password: it is not repeated here
                raise ConfigError(
                    f"serve.{role}.urls[{n}] holds a user name",
                    "leave it out, and name the variable of an API key by serve.key_variable",
                )
            if not re.fullmatch(_BASE_URL, url):
                raise ConfigError(
                    f"serve.{role}.urls[{n}]={url!r} is no base URL",
                    "write it like http://host:8000",
                )
    if e.engine.kind == "vllm" and e.serve.kind == "external":
        for role, server in e.serve.servers.items():
            if role in _served(e) and not server.urls:
                raise ConfigError(
                    f"serve=external, but serve.{role}.urls is empty",
                    f"set serve.{role}.urls=[http://host:8000] or serve=local",
                )


def _served(e: Experiment) -> set[str]:
    """The roles that the stages need an engine for."""
    roles: set[str] = set()
    if (
        "questions" in e.stages
        and e.questions.source == "paper"
        and e.questions.select == "teacher"
    ):
        roles.add("teacher")
    kinds = {m.kind for m in e.methods.values()} if "synthesize" in e.stages else set()
    trains = "predictor" in e.stages and e.predictor.source == "train"
    if trains or "evaluate" in e.stages or kinds - {"teacher_only"}:
        roles.add("student")
    if trains or kinds - {"student_only"}:
        roles.add("teacher")
    if trains and e.predictor.annotator == "model":
        roles.add("annotator")
    return roles
