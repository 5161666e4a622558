"""Questions, and the predictors that are trained on some of them."""

from __future__ import annotations

from tessy.config import Experiment
from tessy.errors import ConfigError


def check_questions(e: Experiment) -> None:
    questions = e.questions
    from_file = questions.source == "file"
    if questions.unique < (0 if from_file else 1):
        raise ConfigError(
            f"questions.unique={questions.unique} must be positive",
            "set questions.unique=0 for all of the file" if from_file else "set it above 0",
        )
    if questions.unique > questions.samples:
        raise ConfigError(
            f"questions.unique={questions.unique} exceeds samples={questions.samples}",
            "draw at least one sample a question",
        )
    if from_file and not questions.path:
        raise ConfigError("questions=file without a file", "set questions.path=FILE.jsonl")
    if questions.path and not from_file:
        raise ConfigError(
            f"questions.path={questions.path!r} is read with questions=file only",
            "set questions=file, or leave questions.path empty",
        )
    if questions.source == "paper":
        _check_pool(e)


def _check_pool(e: Experiment) -> None:
    q = e.questions
    if not q.open_thoughts and not q.nemotron:
        raise ConfigError(
            "questions=paper without a data set",
            "set questions.open_thoughts or questions.nemotron",
        )
    if not 0 <= q.near_duplicates <= 1:
        raise ConfigError(
            f"questions.near_duplicates={q.near_duplicates} is outside [0, 1]",
            "set a similarity such as 0.8, or 0 to look for exact duplicates only",
        )
    for option, least in (("selection_tokens", 1), ("overlap_words", 5), ("common_overlap", 0)):
        if getattr(q, option) < least:
            raise ConfigError(
                f"questions.{option}={getattr(q, option)} is below {least}",
                f"set questions.{option}={least} or more",
            )
    for name, b in e.benchmarks.items():
        if b.kind == "mini":
            continue  # that world's problems are no text of this one
        if q.decontaminate and not {b.kind, f"{b.kind}/{b.split}"} & set(q.decontaminate):
            raise ConfigError(
                f"benchmark {name} ({b.kind}/{b.split}) is not among questions.decontaminate="
                f"[{','.join(q.decontaminate)}]",
                f"add {b.kind}, as its problems could be trained on",
            )


def check_predictor(e: Experiment) -> None:
    p = e.predictor
    needed = ("base",) if p.source == "train" else ("student", "teacher")
    for option in needed:
        if not getattr(p, option):
            raise ConfigError(
                f"predictor.{option}='' with predictor.source={p.source}",
                f"set predictor.{option} to a folder or a hub id",
            )
    if p.source == "checkpoint":
        return
    options = ("segments", "segment_words", "segments_per_response", "annotation_tokens")
    for option in (*options, "epochs", "batch", "micro_batch", "learning_rate", "max_length"):
        if getattr(p, option) <= 0:
            raise ConfigError(
                f"predictor.{option}={getattr(p, option)} must be positive",
                f"set predictor.{option} above 0",
            )
    if not 0 < p.validation_share < 1:
        raise ConfigError(
            f"predictor.validation_share={p.validation_share} is not between 0 and 1",
            "set the share of the questions that are held out, such as 0.05",
        )
    if p.batch % p.micro_batch:
        raise ConfigError(
            f"predictor.batch={p.batch} is not a multiple of predictor.micro_batch={p.micro_batch}",
            "choose a micro_batch that divides the batch",
        )
    if p.annotator == "mini" and e.questions.source != "mini":
        raise ConfigError(
            "predictor.annotator=mini knows the style of the miniature world only",
            "set predictor.annotator=teacher",
        )
