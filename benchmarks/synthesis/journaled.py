"""Journals of syntheses that are under way: writing what had been made, counting what was added."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

from benchmarks.synthesis.measure import Tokens
from benchmarks.synthesis.world import World
from tessy.synthesis.cooperate import Accepted
from tessy.synthesis.journal import Journal


def write_begun(world: World, path: Path) -> None:
    """The journal of the run that began the samples."""
    with Journal(path) as journal:
        for sample in world.samples:
            for writer, places in islice(sample.spans(), sample.begun):
                ids = sample.thinking[writer][places]
                text = world.dialects[writer].decode(ids)
                journal.span(sample.task, Accepted(writer, text, tuple(ids), "cut", {}))


def added(path: Path, offset: int) -> Tokens:
    """What was accepted since the journal had that length in bytes."""
    kept = wanted = received = 0
    with path.open("rb") as file:
        file.seek(offset)
        for line in map(json.loads, file):
            if line["kind"] == "span":
                kept += len(line["ids"])
                wanted += sum(n for k, n in line["counts"].items() if k.endswith("_kept_own"))
                received += sum(n for k, n in line["counts"].items() if k.endswith("_generated"))
            elif line["kind"] == "done":
                spans = line["trajectory"]["spans"]
                answer = sum(s["n_tokens"] for s in spans if s["part"] == "answer")
                kept, wanted, received = kept + answer, wanted + answer + 1, received + answer + 1
    return Tokens(kept, wanted, received)
