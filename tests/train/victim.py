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

import msgspec

from tessy.boundary.segments import LabelledSegment
from tessy.config import ModelConfig, PredictorConfig, TrainConfig
from tessy.records import read_jsonl


def _at(owner: Any, name: str, moment: Callable[..., bool]) -> None:
    """Die on entering `owner.name` at the moment."""
    inner = getattr(owner, name)

    def outer(*args: Any, **kwargs: Any) -> Any:
        if moment(*args, **kwargs):
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(*args, **kwargs)

    setattr(owner, name, outer)


def arm(when: str, trainer: Any) -> None:
    """`step:N` in the middle of step N, `checkpoint:N` while it is written, `publish`, `never`."""
    kind, _, number = when.partition(":")
    if kind == "step":
        _at(trainer, "training_step", lambda self, *_: self.state.global_step == int(number) - 1)
    elif kind == "checkpoint":
        _at(trainer, "_save_rng_state", lambda self, *_: self.state.global_step == int(number))
    elif kind == "publish":
        _at(shutil, "copyfile", lambda source, *_: Path(source).name == "tokenizer.json")
    elif kind == "published":
        _at(shutil, "rmtree", lambda path, *_, **__: "checkpoints" in Path(path).name)


def fine_tuning(request: dict[str, Any]) -> tuple[Any, Callable[[Path], object]]:
    """The trainer's class, and the work in a folder."""
    import train.trainer
    from train.run import finetune

    student = msgspec.convert(request["student"], ModelConfig)
    config = msgspec.convert(request["settings"], TrainConfig)
    data = Path(request["trajectories"])
    return train.trainer.Trainer, lambda f: finetune(data, student, config, 1e-3, 0, f, "victim")


def predictor(request: dict[str, Any]) -> tuple[Any, Callable[[Path], object]]:
    import train.classifier
    from train.predictor import fit

    config = PredictorConfig(**request["predictor"])
    segments = list(read_jsonl(Path(request["segments"]), LabelledSegment))
    return train.classifier.Classifier, lambda f: fit(
        segments, config, 0, f / "student", f / "curve.jsonl", "victim"
    )


WORK = {"fine_tuning": fine_tuning, "predictor": predictor}


def main(request: dict[str, Any]) -> None:
    trainer, work = WORK[request["work"]](request)  # imports what takes seconds, before forking
    for when, folder in request["moments"].items():
        child = os.fork()
        if child == 0:
            arm(when, trainer)
            Path(folder).mkdir(exist_ok=True)
            work(Path(folder))
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        print(json.dumps([when, os.WTERMSIG(status)]), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
