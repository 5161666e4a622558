"""Make the miniature models anew: `python -m tessy.mini.pretrain [--out DIR] [--seed N]`.

Trains students, teachers and the two boundary predictors, on CPU or GPU, with a progress bar and a
validation curve (`curve.jsonl` beside each model): from nothing, but for the second teacher, which
goes on from the student. A killed run goes on from
its last saved state by the same command.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from tessy.checkpoints import MINI_PREFIX, locate
from tessy.dialects import DIALECTS, Dialect
from tessy.mini import corpus, models, tokenizers
from tessy.mini.style import (
    STUDENT_ANSWER,
    TEACHER_ANSWER,
    mixed_document,
    student_code,
    student_document,
    teacher_code,
    teacher_document,
)
from tessy.mini.world import MiniProblem, draw, mini_problems
from tessy.progress import bar
from tessy.records import Message

MUON_RATE, ADAM_RATE = 0.02, 3e-3
SAVE_EVERY = 250


@dataclass(frozen=True)
class Recipe:
    """How one model is made."""

    name: str
    dialect: str
    new_model: Callable[[Any], Any]
    row: Callable[[Dialect, random.Random, int], corpus.Row]
    steps: int
    batch: int
    validate: Callable[[Any, Dialect, torch.device], dict[str, float]]
    classifier: bool = False
    start: str = ""  # a shipped checkpoint to go on from, with the same tokenizer


def validate_writer(
    model: Any, dialect: Dialect, device: torch.device, wanted: Callable[[MiniProblem], str]
) -> dict[str, float]:
    """Share of unseen problems whose greedy answer is the right code, by the number of operations.

    Stricter than a judge, who would accept other right code; no program runs here.
    """
    cases = [(p, judged.prompt) for _, p, judged in mini_problems(-1, "development", 96)]
    prompts = [dialect.prompt_ids([Message("user", text)]) + dialect.open_ids for _, text in cases]
    width = max(map(len, prompts))
    pad = int(dialect.tokenizer.pad_token_id or 0)
    ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
    out = model.generate(
        input_ids=ids,
        attention_mask=mask,
        max_new_tokens=340,
        do_sample=False,
        eos_token_id=sorted(dialect.stop_ids),
        pad_token_id=pad,
    )
    right: dict[int, list[bool]] = {2: [], 3: [], 4: []}
    for (problem, _), row in zip(cases, out[:, width:].tolist(), strict=True):
        ends = [n for n, i in enumerate(row) if i in dialect.stop_ids and i != pad] or [len(row)]
        answer = dialect.split(row[: ends[0]])[1]
        right[len(problem.stages)].append(answer == wanted(problem))
    scores = {f"right_{n}_operations": sum(r) / max(len(r), 1) for n, r in right.items()}
    return {"right": sum(map(sum, right.values())) / len(cases), **scores}


def _validate_student(model: Any, dialect: Dialect, device: torch.device) -> dict[str, float]:
    return validate_writer(
        model,
        dialect,
        device,
        lambda p: STUDENT_ANSWER + student_code(p, [s.fragment for s in p.stages]),
    )


def _validate_teacher(model: Any, dialect: Dialect, device: torch.device) -> dict[str, float]:
    return validate_writer(model, dialect, device, lambda p: TEACHER_ANSWER + teacher_code(p))


def _student_thinking(dialect: Dialect, rng: random.Random, length: int) -> corpus.Row:
    return corpus.predictor_row(
        dialect, lambda p: student_document(p, rng, drafts=0.15), rng, length
    )


def _teacher_thinking(dialect: Dialect, rng: random.Random, length: int) -> corpus.Row:
    alone = rng.random() < 0.5
    return corpus.predictor_row(
        dialect, lambda p: teacher_document(p) if alone else mixed_document(p, rng), rng, length
    )


def _validate_predictor(
    row: Callable[[Dialect, random.Random, int], corpus.Row],
) -> Callable[[Any, Dialect, torch.device], dict[str, float]]:
    def validate(model: Any, dialect: Dialect, device: torch.device) -> dict[str, float]:
        """Token accuracy, and the share of segments whose every token is right."""
        rng = random.Random("validation")
        rows = [row(dialect, rng, rng.randint(2, 4)) for _ in range(256)]
        ids, labels, mask = corpus.batch_of(rows, int(dialect.tokenizer.pad_token_id or 0))
        found = model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits.argmax(-1)
        right = (found.cpu() == labels.long()) | (mask == 0)
        token_accuracy = 1 - (~right).sum().item() / mask.sum().item()
        return {"token_accuracy": token_accuracy, "exact": right.all(1).float().mean().item()}

    return validate


RECIPES = (
    Recipe(
        "teacher", "gpt_oss", models.new_teacher, corpus.teacher_row, 1500, 24, _validate_teacher
    ),
    Recipe("student", "qwen3", models.new_student, corpus.student_row, 1500, 24, _validate_student),
    Recipe(
        "student2", "qwen3", models.new_student, corpus.student_row, 1500, 24, _validate_student
    ),
    Recipe(
        "student_base", "qwen3", models.new_student, corpus.student_row, 400, 24, _validate_student
    ),
    Recipe(
        "teacher2",
        "qwen3",
        models.new_student,
        corpus.expert_row,
        500,
        24,
        _validate_student,
        start="student",
    ),
    Recipe(
        "predictor_student",
        "qwen3",
        models.new_predictor,
        _student_thinking,
        200,
        32,
        _validate_predictor(_student_thinking),
        classifier=True,
    ),
    Recipe(
        "predictor_teacher",
        "qwen3",
        models.new_predictor,
        _teacher_thinking,
        200,
        32,
        _validate_predictor(_teacher_thinking),
        classifier=True,
    ),
)


def make_tokenizers() -> dict[str, Any]:
    """The tokenizers of both dialects, from the documents that the models will see."""
    rng = random.Random("tokenizers")
    texts = []
    for _ in range(3000):
        problem = draw(rng)
        for document in (student_document(problem, rng), teacher_document(problem)):
            texts += [problem.statement, document.text, document.answer]
    return {
        "qwen3": tokenizers.train_tokenizer(
            texts,
            tokenizers.STUDENT_PATTERN,
            tokenizers.STUDENT_SPECIALS,
            "<|im_end|>",
            tokenizers.STUDENT_TEMPLATE,
            1024,
        ),
        "gpt_oss": tokenizers.train_tokenizer(
            texts,
            tokenizers.TEACHER_PATTERN,
            tokenizers.TEACHER_SPECIALS,
            "<|return|>",
            tokenizers.TEACHER_TEMPLATE,
            1024,
        ),
    }


def optimizers(model: torch.nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the hidden matrices, AdamW for embeddings, heads, experts and vectors."""
    named = list(model.named_parameters())
    hidden = [p for n, p in named if p.ndim == 2 and "embed" not in n and "head" not in n]
    chosen = {id(p) for p in hidden}
    rest = [p for _, p in named if id(p) not in chosen]
    return [
        torch.optim.Muon(hidden, lr=MUON_RATE, weight_decay=0.01),
        torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.01),
    ]


def schedule(step: int, steps: int) -> float:
    """Warm up over 2 %, stay, then fall to zero over the last 60 %."""
    return min((step + 1) / (0.02 * steps + 1), 1.0, (steps - step) / (0.6 * steps))


def _shipped(name: str) -> Any:
    from transformers import AutoModelForCausalLM

    folder = locate(f"{MINI_PREFIX}{name}")
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).train()


def loss_of(model: Any, rows: list[corpus.Row], pad: int, recipe: Recipe, device: Any) -> Any:
    ids, weights, mask = (t.to(device) for t in corpus.batch_of(rows, pad))
    with torch.autocast(device.type, dtype=torch.bfloat16):
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    logits = logits.float()
    if recipe.classifier:
        return functional.cross_entropy(logits[mask == 1], weights.long()[mask == 1])
    losses = functional.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
    return (losses * weights[:, 1:]).sum() / weights[:, 1:].sum()


def train(recipe: Recipe, dialect: Dialect, out: Path, seed: int, device: torch.device) -> None:
    """Train one model into `out/<name>`; goes on from `out/<name>.partial` if it is there."""
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = _shipped(recipe.start) if recipe.start else recipe.new_model(dialect.tokenizer)
    model.to(device)
    optims = optimizers(model)
    rates = [group["lr"] for optim in optims for group in optim.param_groups]
    partial = out / f"{recipe.name}.partial"
    first, curve = 0, []
    if partial.exists():
        state = torch.load(partial, weights_only=True)
        first, curve = state["step"], state["curve"]
        model.load_state_dict(state["model"])
        for optim, saved in zip(optims, state["optims"], strict=True):
            optim.load_state_dict(saved)
        torch.set_rng_state(state["rng"])  # the classifiers' dropout goes on where it was
    pad = int(dialect.tokenizer.pad_token_id or 0)
    with bar(recipe.steps, f"pretrain {recipe.name}", "step", first) as progress:
        for step in range(first, recipe.steps):
            rng = random.Random(f"{seed}/{recipe.name}/{step}")
            length = corpus.pretraining_length(rng, step / recipe.steps)
            rows = [recipe.row(dialect, rng, length) for _ in range(recipe.batch)]
            loss = loss_of(model, rows, pad, recipe, device)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            groups = [group for optim in optims for group in optim.param_groups]
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate * schedule(step, recipe.steps)
            for optim in optims:
                optim.step()
                optim.zero_grad(set_to_none=True)
            progress.update()
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == recipe.steps:
                model.eval()
                with torch.inference_mode():
                    scores = recipe.validate(model, dialect, device)
                model.train()
                curve.append({"step": step + 1, "loss": loss.item(), **scores})
                progress.write(json.dumps(curve[-1]))
                _save_state(partial, model, optims, step + 1, curve)
    _save_model(out / recipe.name, model, dialect, curve)
    partial.unlink(missing_ok=True)


def _save_state(path: Path, model: Any, optims: list[Any], step: int, curve: list[Any]) -> None:
    state = {
        "step": step,
        "curve": curve,
        "model": model.state_dict(),
        "optims": [o.state_dict() for o in optims],
        "rng": torch.get_rng_state(),
    }
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def _save_model(folder: Path, model: Any, dialect: Dialect, curve: list[Any]) -> None:
    """Half-precision weights, tokenizer, chat template and validation curve."""
    fresh = folder.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    model.to(torch.float16).save_pretrained(fresh)
    dialect.tokenizer.save_pretrained(fresh)
    (fresh / "curve.jsonl").write_text("".join(json.dumps(c) + "\n" for c in curve))
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("outputs/mini"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=[r.name for r in RECIPES], help="some models")
    parser.add_argument("--steps", type=int, help="instead of each recipe's own number")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    if arguments.device == "cpu":
        torch.set_num_threads(1)  # faster than more, for matrices this small
    made = make_tokenizers()
    for recipe in RECIPES:
        if arguments.only and recipe.name not in arguments.only:
            continue
        if arguments.steps:
            recipe = dataclasses.replace(recipe, steps=arguments.steps)
        dialect = DIALECTS[recipe.dialect](made[recipe.dialect])
        train(recipe, dialect, arguments.out, arguments.seed, torch.device(arguments.device))


if __name__ == "__main__":
    main()
