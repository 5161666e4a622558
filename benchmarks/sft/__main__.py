"""`python -m benchmarks.sft`: speed and memory of training, and one JSON object as last line."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.sft.gpu import describe, gpu
from benchmarks.sft.overhead import overhead
from benchmarks.sft.padding import padding
from benchmarks.sft.preparing import preparing


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sft", description=__doc__)
    parser.add_argument("--steps", type=int, default=60, help="of each training loop on the CPU")
    parser.add_argument("--samples", type=int, default=4000, help="that are prepared")
    parser.add_argument("--folder", type=Path, help="for scratch files; else a temporary one")
    options = parser.parse_args()
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        found |= padding()
        found |= preparing(options.samples, folder)
        found |= overhead(options.steps, folder / "overhead")
        found |= gpu(folder / "gpu")
    print(describe(found.pop("gpu_runs", {})))  # type: ignore[arg-type]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
