"""One process of a training on several devices: `python -m train.worker JOB`, under a launcher."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tessy.errors import TessyError
from train.fault import FAULTS, write_fault
from train.job import Job


def main(path: Path) -> int:
    """Train; what is known to go wrong is left for the parent."""
    job = Job.read(path)
    rank, devices = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    try:
        import torch

        from train.fit import fit
        from train.zero import compile_nothing

        # By torch: DeepSpeed's launcher sets CUDA_VISIBLE_DEVICES where there is no GPU, too.
        if not torch.cuda.is_available():
            compile_nothing()
        fit(job, devices, rank)
    except TessyError as error:
        write_fault(error, job.path(FAULTS), rank)
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[-1])))  # DeepSpeed's launcher puts --local_rank before it
