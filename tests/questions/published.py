"""Data sets in the form in which they are published, small: OpenThoughts3 and Nemotron."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow
from pyarrow import parquet

SUM = "You are given two integers a and b on one line. Print their sum. Both are at most 1000."
SORT = "You are given n integers. Print them in ascending order, separated by single blanks."
REVIEW = "Please review this function of mine and tell me how its names could be made clearer."
GRAPH = (
    "You are given a tree with n vertices and q queries. Each query names two vertices; print the "
    "number of edges on the path between them, one answer on each line of the output."
)


def open_thoughts(folder: Path, prompts: Sequence[str], domain: str = "code") -> Path:
    """One more file of data/train-*.parquet; each prompt with two different answers in a row."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    number = len(list(data.iterdir()))
    rows = [
        {
            "difficulty": 7,
            "source": "stackexchange_codegolf",
            "domain": domain,
            "conversations": [
                {"from": "human", "value": prompt},
                {"from": "gpt", "value": f"<think>\n{answer}\n</think>\n"},
            ],
        }
        for prompt in prompts
        for answer in ("first", "second")
    ]
    parquet.write_table(
        pyarrow.Table.from_pylist(rows), data / f"train-{number:05}-of-00120.parquet"
    )
    return folder


def nemotron(folder: Path, prompts: Sequence[str], category: str = "code") -> Path:
    """SFT/code/code_v1.jsonl."""
    path = folder / "SFT" / "code" / "code_v1.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "version": "v1",
            "input": [{"role": "user", "content": prompt}],
            "output": "<think>\n...</think>",
            "category": category,
            "license": "cc-by-4.0",
            "reasoning": "on",
            "generator": "DeepSeek-R1",
            "used_in_training": "Ultra",
            "system_prompt": "detailed thinking on",
        }
        for prompt in prompts
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
