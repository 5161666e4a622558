"""Checkpoints that are whole or absent, and the models that come of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from tessy.errors import StorageError

if TYPE_CHECKING:
    from transformers import Trainer as Base
else:
    Base = object

PARTIAL = "partial"  # what is being written; never read
# Files that make up a tokenizer, in whatever family; copied as they are, so that the tuned model
# reads and writes exactly the ids that it was trained on.
TOKENIZER_FILES = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "vocab.*",
    "merges.txt",
    "generation_config.json",
)


class WholeCheckpoints(Base):
    """Mixin of transformers' trainers: `checkpoint-STEP` holds all that a training goes on from.

    It is written aside and renamed when complete; the newest one is kept.
    """

    @property
    def _checkpoints(self) -> Path:
        return Path(str(self.args.output_dir))

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._checkpoints / PARTIAL)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with storage(f"the checkpoint of step {self.state.global_step}", self._checkpoints):
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.is_world_process_zero():
                name = f"checkpoint-{self.state.global_step}"
                (self._checkpoints / PARTIAL / name).rename(self._checkpoints / name)
                for old in self._checkpoints.iterdir():
                    if old.name != name:
                        shutil.rmtree(old)


@contextmanager
def storage(what: str, folder: Path) -> Iterator[None]:
    """Turn what file system, torch and safetensors raise on a full disk into one error."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        raise StorageError(
            f"{what} cannot be written to {folder} ({error})",
            "free space there and run the same command again; it goes on from the last checkpoint",
        ) from error


def newest_checkpoint(folder: Path) -> Path | None:
    """The complete checkpoint of the latest step, if there is one."""
    found = {int(p.name.split("-")[1]): p for p in folder.glob("checkpoint-*")}
    return found[max(found)] if found else None


def publish(
    model: Any, source: Path, target: Path, bf16: bool, weights: Mapping[str, Any] | None = None
) -> None:
    """Write weights, configuration and the parent's own tokenizer, complete or not at all.

    Args:
        model: without what a trainer wraps around it.
        source: folder of the model that it was trained from.
        bf16: store what it was computed with, and will be served in.
        weights: the model's, if it does not hold them itself (ZeRO-3).
    """
    import torch

    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    if bf16:
        model.to(torch.bfloat16)
    model.save_pretrained(partial, state_dict=weights)
    copy_tokenizer(source, partial)
    # Training changes no setting but the precision and, of a token classifier, the head; the
    # trainer's own edits (no key-value cache, other stop ids) are not wanted.
    written = json.loads((partial / "config.json").read_text(encoding="utf-8"))
    original = json.loads((source / "config.json").read_text(encoding="utf-8"))
    if written["architectures"] == original["architectures"]:
        settings = original | {"dtype": "bfloat16" if bf16 else "float32"}
        settings.pop("torch_dtype", None)
        (partial / "config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
    partial.rename(target)


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy the tokenizer's files as they are."""
    for pattern in TOKENIZER_FILES:
        for file in source.glob(pattern):
            shutil.copyfile(file, target / file.name)
