"""Low-rank updates: only they are trained, and merged they are a model like any other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tessy.checkpoints import locate
from tessy.config import LoraConfig, ModelConfig, TrainConfig
from tessy.errors import ConfigError
from train.run import finetune

pytest.importorskip("peft", reason="pip install -e '.[sft]'")


@pytest.fixture(scope="session")
def trained(
    samples: Path, student: ModelConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, float]]:
    from tests.train.conftest import SETTINGS

    folder = tmp_path_factory.mktemp("lora")
    config = replace(SETTINGS, lora=LoraConfig(rank=8), packing=True, micro_batch=1)
    return folder, finetune(samples, student, config, 1e-2, 0, folder, "lora")


def test_the_merged_model_is_the_student_plus_the_updates(
    trained: tuple[Path, dict[str, float]], student: ModelConfig
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    folder = trained[0]
    assert sorted(p.name for p in folder.iterdir()) == ["adapter", "curve.jsonl", "model"]
    base = AutoModelForCausalLM.from_pretrained(student.path, dtype=torch.float32)
    merged = AutoModelForCausalLM.from_pretrained(locate(str(folder / "model")))
    changed = {
        name
        for (name, old), new in zip(base.named_parameters(), merged.parameters(), strict=True)
        if not torch.equal(old, new)
    }
    assert changed == {name for name, _ in base.named_parameters() if "_proj" in name}
    adapted = PeftModel.from_pretrained(base, folder / "adapter")
    ids = torch.arange(40)[None]
    with torch.no_grad():
        torch.testing.assert_close(adapted(ids).logits, merged(ids).logits, rtol=1e-4, atol=1e-4)
    lines = (folder / "curve.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["loss"] < json.loads(lines[0])["loss"] - 0.1


def test_the_adapter_alone_on_request(
    samples: Path, student: ModelConfig, settings: TrainConfig, tmp_path: Path
) -> None:
    config = replace(
        settings, epochs=1, lora=LoraConfig(rank=2, targets=("q_proj", "v_proj"), merge=False)
    )
    finetune(samples, student, config, 1e-2, 0, tmp_path, "lora")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["adapter", "curve.jsonl"]
    said = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (said["r"], said["lora_alpha"]) == (2, 16.0)
    assert set(said["target_modules"]) == {"q_proj", "v_proj"}
    assert (tmp_path / "adapter" / "tokenizer.json").is_file()


def test_a_target_that_matches_nothing_is_refused(
    samples: Path, student: ModelConfig, settings: TrainConfig, tmp_path: Path
) -> None:
    wrong = replace(settings, lora=LoraConfig(rank=2, targets=("query",)))
    with pytest.raises(ConfigError, match=r"train.lora.targets=\['query'\] match no module"):
        finetune(samples, student, wrong, 1e-2, 0, tmp_path, "lora")
