"""Every family's dialect, each bound to a tiny tokenizer once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tessy.dialects import Dialect, load_dialect
from tests.dialects.families import FAMILIES, save

Bind = Callable[..., Dialect]


@pytest.fixture(scope="session")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Bind:
    """`bind(family, **arguments)`: the family's dialect, with further template arguments."""
    folders: dict[str, Path] = {}

    def bound(name: str, **arguments: Any) -> Dialect:
        family = FAMILIES[name]
        if name not in folders:
            folders[name] = save(family, tmp_path_factory.mktemp(name))
        given = (family.arguments or {}) | arguments
        return load_dialect(family.dialect, folders[name], given)

    return bound


@pytest.fixture(scope="session")
def dialects(bind: Bind) -> dict[str, Dialect]:
    return {name: bind(name) for name in FAMILIES}
