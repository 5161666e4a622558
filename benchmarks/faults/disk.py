"""A disk that fills up at random moments of the whole path, and has room again.

Runs in a mount namespace of its own, on a small file system in memory.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.faults.pipeline import finish, outcome, start

SIZE_MB = 512
BALLAST = "ballast"


def disk(folder: Path, times: int, seed: int) -> dict[str, Any]:
    """Fill the disk so often; null where this system gives no mount namespace.

    Args:
        folder: is there; the small file system is mounted in it, for the namespace only.

    Returns:
        `disk_full`, how often a run ended of it; `disk_errors_of_one_line`, how often it said so in
        one line; `disk_same`, whether all is as in an undisturbed run.
    """
    nothing = dict.fromkeys(("disk_full", "disk_errors_of_one_line", "disk_same"))
    own = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    try:
        subprocess.run([*own, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return nothing
    command = [*own, sys.executable, "-m", "benchmarks.faults.disk"]
    command += map(str, (folder, times, seed))
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(folder: Path, times: int, seed: int) -> None:
    small = folder / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs"]
    subprocess.run([*mount, str(small)], check=True)
    whole = finish(folder / "undisturbed", folder / "undisturbed.log")
    draw = random.Random(seed)
    full = lines = 0
    outputs = small / "outputs"
    for number in range(times):
        log = folder / f"full-{number}.log"
        process = start(outputs, log)
        try:
            process.wait(draw.uniform(2, 2 * whole / times))
        except subprocess.TimeoutExpired:
            _fill(small, process)
        (small / BALLAST).unlink(missing_ok=True)
        if process.returncode == 0:
            break
        full += 1
        lines += _is_one_line(log.read_text(errors="replace"))
    finish(outputs, folder / "last.log")
    same = outcome(outputs) == outcome(folder / "undisturbed")
    print(json.dumps({"disk_full": full, "disk_errors_of_one_line": lines, "disk_same": same}))


def _fill(small: Path, process: subprocess.Popen[bytes]) -> None:
    """Leave no byte free until the process ends."""
    with (small / BALLAST).open("ab", buffering=0) as ballast:
        while process.poll() is None:
            try:
                ballast.write(bytes(1 << 20))
            except OSError:
                time.sleep(0.002)


def _is_one_line(said: str) -> bool:
    """Whether what a run says at its end is one error that names the disk."""
    last = said.replace("\r", "\n").splitlines()[-1]
    return last.startswith("error: ") and "space" in last and "Traceback" not in said


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
