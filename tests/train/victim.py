"""Trains in processes of their own that kill themselves, as `kill -9` would, at given moments.

Run as a script: imports once, then forks one process a moment, before any computing.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tessy.config import ModelConfig, TrainConfig


def _at(owner: Any, name: str, moment: Callable[..., bool]) -> None:
    """Die on entering `owner.name` at the moment."""
    inner = getattr(owner, name)

    def outer(*args: Any, **kwargs: Any) -> Any:
        if moment(*args, **kwargs):
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(*args, **kwargs)

    setattr(owner, name, outer)


def arm(when: str) -> None:
    """`step:N` in the middle of step N, `checkpoint:N` while it is written, `publish`, `never`."""
    from train.trainer import Trainer

    kind, _, number = when.partition(":")
    if kind == "step":
        _at(Trainer, "training_step", lambda self, *_: self.state.global_step == int(number) - 1)
    elif kind == "checkpoint":
        _at(Trainer, "_save_rng_state", lambda self, *_: self.state.global_step == int(number))
    elif kind == "publish":
        _at(shutil, "copyfile", lambda source, *_: Path(source).name == "tokenizer.json")
    elif kind == "published":
        _at(shutil, "rmtree", lambda path, *_, **__: Path(path).name == "checkpoints")


def main(request: dict[str, Any]) -> None:
    import train.trainer  # noqa: F401  the imports that take seconds, before forking
    from train.run import finetune

    student, config = ModelConfig(**request["student"]), TrainConfig(**request["settings"])
    for when, folder in request["moments"].items():
        child = os.fork()
        if child == 0:
            arm(when)
            finetune(
                Path(request["trajectories"]), student, config, 1e-3, 0, Path(folder), "victim"
            )
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        print(json.dumps([when, os.WTERMSIG(status)]), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
