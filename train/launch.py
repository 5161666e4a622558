"""Start the processes of a training, show how far they are, and leave none behind.

They are a subprocess's: DeepSpeed wants one for each device, each with the whole training to
itself. torchrun starts them on one machine; on several, DeepSpeed's own launcher over ssh (a
hostfile), or srun one torchrun a node inside a Slurm job's allocation.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tessy.config import DeepSpeedConfig
from tessy.engines.serving import guardian
from tessy.errors import MissingError, TrainingError
from tessy.progress import bar, say
from train.arguments import threads
from train.curve import CURVE
from train.fault import FAULTS, read_fault
from train.job import CHECKPOINTS, Job

LOG, JOB = "train.log", "job.json"
WORKER = "train.worker"
POLL = 0.2  # seconds between two looks at the curve
LAST_LINES = 8  # of the log, in an error
# What a process died of, and neither a warning nor torchrun's own account of it.
FAULT = re.compile(
    r"^(?:\[rank\d+\]: )?((?!torch\.distributed)[\w.]*(?:Error|Exception): .*)$", re.M
)


def launch(job: Job, steps: int) -> None:
    """Run the training in processes of its own, to its end.

    Args:
        steps: in all, for the progress bar.

    Raises:
        what a process raised; TrainingError if one died without a word.
    """
    path = job.path(JOB)
    job.write(path)
    shutil.rmtree(job.path(FAULTS), ignore_errors=True)
    line = command(job.deepspeed, path)
    guarded = (sys.executable, guardian.__file__, str(os.getpid()), *line)
    log = job.path(LOG)
    say(f"{job.label}: {shlex.join(line)}")
    say(f"{job.label}: tail -F {log}")
    with log.open("ab") as output:
        process = subprocess.Popen(
            guarded,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=environment(job),
            start_new_session=True,
        )
    try:
        _show(process, job, steps)
    finally:
        assert process.stdin is not None
        process.stdin.close()  # the guardian ends what still runs, and then itself
        process.wait()
    if process.returncode:
        _explain(job, process.returncode)
    for name in (JOB, LOG):
        job.path(name).unlink()


def command(config: DeepSpeedConfig, job: Path) -> tuple[str, ...]:
    """The command line that starts every process of a training.

    Raises:
        MissingError: it is for a Slurm job, and this is none.
    """
    torchrun = (sys.executable, "-m", "torch.distributed.run")
    each = ("--nproc-per-node", str(config.processes), "-m", WORKER, str(job))
    if config.launcher == "local":
        return (*torchrun, "--standalone", *each)
    if config.launcher == "hostfile":
        return (
            *(sys.executable, "-m", "deepspeed.launcher.runner", "--hostfile", config.hostfile),
            *("--num_nodes", str(config.nodes), "--num_gpus", str(config.processes)),
            *("--master_port", str(config.port), "--module", WORKER, str(job)),
        )
    nodes = os.environ.get("SLURM_JOB_NODELIST")
    if nodes is None:
        raise MissingError(
            "deepspeed.launcher=slurm outside of a Slurm job",
            f"allocate its nodes first: salloc --nodes={config.nodes}, or sbatch",
        )
    first = subprocess.run(
        ("scontrol", "show", "hostnames", nodes), capture_output=True, text=True, check=True
    ).stdout.split()[0]
    return (
        *("srun", f"--nodes={config.nodes}", "--ntasks-per-node=1", "--kill-on-bad-exit=1"),
        *(*torchrun, "--nnodes", str(config.nodes), "--rdzv-backend", "c10d"),
        *("--rdzv-endpoint", f"{first}:{config.port}", *each),
    )


def environment(job: Job) -> dict[str, str]:
    """Of the processes: this one's, and where they find the code and the CPU."""
    root = str(Path(__file__).parents[1])
    found = dict(os.environ)
    found["PYTHONPATH"] = os.pathsep.join(filter(None, (root, found.get("PYTHONPATH"))))
    if threads(job.parameters) is not None:
        found["OMP_NUM_THREADS"] = "1"
    return found


def _show(process: subprocess.Popen[bytes], job: Job, steps: int) -> None:
    """A bar of the steps that the curve has, until the processes end."""
    done = _lines(job.path(CURVE)) if job.path(CHECKPOINTS).is_dir() else 0
    with bar(steps, job.label, "steps", done=done) as progress:
        running = True
        while running:
            time.sleep(POLL)
            running = process.poll() is None
            progress.update(max(0, _lines(job.path(CURVE)) - progress.n))


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _explain(job: Job, status: int) -> None:
    fault = read_fault(job.path(FAULTS))
    if fault is not None:
        raise fault
    text = job.path(LOG).read_text(encoding="utf-8", errors="replace")
    faults = FAULT.findall(text)
    lines = [line for line in text.splitlines() if line.strip()][-LAST_LINES:]
    said = "".join(f"\n  | {line}" for line in faults[:1] or lines)
    raise TrainingError(
        f"a process of the training died (status {status}); {job.path(LOG)} says{said}",
        "mend it and run the same command again; it goes on from the last checkpoint",
    )
