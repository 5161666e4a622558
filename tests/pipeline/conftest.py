"""Experiments composed from the real configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import hydra
import pytest

from tessy.config import Experiment
from tessy.pipeline.compose import compose

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"


def compose_all(*overrides: str) -> Experiment:
    """Compose conf/ with the overrides of a command line."""
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(hydra.compose("config", list(overrides)), "", overrides)


@pytest.fixture
def composed() -> Callable[..., Experiment]:
    return compose_all
