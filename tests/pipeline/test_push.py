"""stage=push uploads models and data with cards that have the scores, once, and only on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tessy.config import Experiment
from tessy.errors import MissingError
from tessy.pipeline.execute import execute
from tessy.pipeline.graph import build
from tessy.pipeline.store import Store
from tests.pipeline.hub import Hub, serving

Compose = Callable[..., Experiment]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    import huggingface_hub.hf_api

    with serving() as (address, there):
        monkeypatch.setattr(huggingface_hub.hf_api.constants, "ENDPOINT", address)
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        yield there


@pytest.fixture
def trained(composed: Compose, tmp_path: Path) -> Experiment:
    """An experiment of which all but the report is there, of made-up contents."""
    e = composed(
        "experiment=mini",
        "method=[tessy]",
        "tracking=none",
        f"outputs_dir={tmp_path}",
        "stage=push",
        "hub.owner=someone",
    )
    store = Store(tmp_path)
    for node in build(e):
        if node.stage in ("report", "push"):
            continue
        with store.working(node) as folder:
            parts = {"synthesize": "dataset", "sft": "model"}
            if node.stage in parts:
                part = folder / parts[node.stage]
                part.mkdir()
                (part / "contents.bin").write_bytes(node.stage.encode())
                (part / "README.md").write_text("a card without scores")
            counts = {"samples": 7, "passed": 3, "answers": 4}
            store.complete(node, counts)
    return e


def test_models_and_data_are_uploaded_with_their_cards_once(trained: Experiment, hub: Hub) -> None:
    execute(trained)
    assert {(c["name"], c["type"], c["visibility"]) for c in hub.created} == {
        ("mini-tessy-world0", "dataset", "private"),
        ("mini-tessy-world0-lr0.002-seed0", "model", "private"),
    }
    model = hub.files["models/someone/mini-tessy-world0-lr0.002-seed0"]
    assert model["contents.bin"] == b"sft" and set(model) == {"contents.bin", "README.md"}
    assert b"| mini | 75.0 | 4 |" in model["README.md"]
    data = hub.files["datasets/someone/mini-tessy-world0"]
    assert data["contents.bin"] == b"synthesize" and b"spans" in data["README.md"]
    hub.files.clear()
    execute(trained)
    assert hub.files == {}


def test_a_refusal_is_one_clear_error(trained: Experiment, hub: Hub) -> None:
    hub.refuse = True
    with pytest.raises(MissingError, match=r"cannot be pushed to http://127.* `hf auth login`"):
        execute(trained)
