"""How foreign a data set is to the student before any training: equation 2, token by token.

The mean negative log-likelihood of the responses under the untouched student, split by who wrote
the tokens. It predicts the harm of a data set without training on it: what is unlikely to the
student is what training must change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tessy.checkpoints import locate
from tessy.config import ModelConfig, TrainConfig
from tessy.journal import LineFile
from tessy.progress import bar
from tessy.records import Record, dump_line, parse_line
from train.arguments import chunks, computes_in_bf16, threads
from train.encode import Key
from train.examples import WRITERS
from train.job import PREPARED
from train.packing import Row, best_fit
from train.prepared import Prepared, discard, prepare
from train.student import attention, load_student

SCORES = "scores.jsonl"
AT_ONCE = 128  # samples that are packed together


@dataclass(frozen=True)
class Score(Record):
    """The negative log-likelihood of one sample's completion, summed by writer, in nats."""

    question_id: str
    repeat: int
    method: str
    student_tokens: int
    student_nll: float
    teacher_tokens: int
    teacher_nll: float

    @property
    def key(self) -> Key:
        return self.question_id, self.repeat, self.method


def score(
    trajectories: Path, student: ModelConfig, train: TrainConfig, folder: Path, label: str
) -> dict[str, float]:
    """Score every sample that `train` would train on; killed at any moment, the same call goes on.

    Writes `folder/scores.jsonl`, a `Score` a line. One device: the first GPU, or the CPU.

    Returns:
        Counts of `train.prepared.Prepared`, `student_tokens`, and the means a token `nll`,
        `nll_student` and `nll_teacher` (those that exist).

    Raises:
        DataError: a malformed sample, or none to score.
        CheckpointError, MissingError: the student or the kernel is not there.
        StorageError: the disk refuses.
    """
    source = locate(student.path)
    data = prepare(trajectories, student, source, train, folder / PREPARED, label)
    with LineFile(folder / SCORES) as lines:
        scores = [parse_line(line, Score, str(lines.path)) for _, line in lines.earlier()]
        done = {found.key for found in scores}
        todo = [number for number, key in enumerate(data.keys) if key not in done]
        if todo:
            from train.isolation import isolated

            with isolated(), bar(len(data), f"{label} scores", "samples", len(done)) as progress:
                model = _model(student, source, train)
                for start in range(0, len(todo), AT_ONCE):
                    part = todo[start : start + AT_ONCE]
                    for found in _scored(model, data, part, train):
                        lines.write(dump_line(found))
                        scores.append(found)
                        progress.update()
    counts = data.counts | _means(scores)
    discard(data)
    return counts


def _model(student: ModelConfig, source: Path, train: TrainConfig) -> Any:
    import torch
    from trl.trainer.utils import add_fused_lm_head

    count = threads(student.parameters)
    if count is not None and not torch.cuda.is_available():
        torch.set_num_threads(count)
    model = load_student(source, attention(train), computes_in_bf16(train))
    add_fused_lm_head(model, outputs=("log_probs",))
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def _scored(
    model: Any, data: Prepared, samples: Sequence[int], train: TrainConfig
) -> Iterator[Score]:
    lengths = [data.lengths[sample] for sample in samples]
    for row in best_fit(lengths, train.max_length):
        yield from _scored_row(model, data, [samples[at] for at in row], train)


def _scored_row(model: Any, data: Prepared, row: Row, train: TrainConfig) -> Iterator[Score]:
    import torch

    from train.collate import Packer
    from train.losses import token_losses

    given = [data[sample] for sample in row]
    packer = Packer(0, "flash" in model.config._attn_implementation)
    batch = packer([s.row() for s in given])
    writers = batch.pop("writers")[0]
    on_device = {
        name: value.to(model.device) if isinstance(value, torch.Tensor) else value
        for name, value in batch.items()
    }
    with torch.inference_mode():
        chunked = chunks(train, model.config.vocab_size)
        losses = token_losses(model, on_device, chunked)[0].double().cpu()
    losses = torch.cat([losses.new_zeros(1), losses])  # the first token has no prediction
    start = 0
    for sample, one in zip(row, given, strict=True):
        end = start + len(one.ids)
        sums: dict[str, Any] = {}
        for name, writer in WRITERS.items():
            wrote = writers[start:end] == writer
            sums |= {
                f"{name}_tokens": int(wrote.sum()),
                f"{name}_nll": float(losses[start:end][wrote].sum()),
            }
        yield Score(*data.keys[sample], **sums)
        start = end


def _means(scores: Sequence[Score]) -> dict[str, float]:
    sums: Counter[str] = Counter()
    for found in sorted(scores, key=lambda found: found.key):  # sums do not depend on a restart
        for name in WRITERS:
            sums[f"{name}_tokens"] += getattr(found, f"{name}_tokens")
            sums[f"{name}_nll"] += getattr(found, f"{name}_nll")
    tokens = sum(sums[f"{name}_tokens"] for name in WRITERS)
    means = {
        f"nll_{name}": sums[f"{name}_nll"] / sums[f"{name}_tokens"]
        for name in WRITERS
        if sums[f"{name}_tokens"]
    }
    total = sum(sums[f"{name}_nll"] for name in WRITERS)
    return {"student_tokens": sums["student_tokens"], "nll": total / tokens} | means
