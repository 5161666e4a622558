"""Measure what faults cost: `python -m benchmarks.faults [--kills N] [--full N] [--seed N]`.

The whole path in miniature is killed (`kill -9`) at random moments, and gone on with by the same
command; then in another folder its disk is filled up at random moments; then a synthesis asks
servers of which one request in twelve is refused, hangs, breaks off, is answered by nonsense or
ends without a reason. The last line is one JSON object:

    kills                    how often the run was killed, in the stages `killed_in`
    kills_same               whether data, weights (bit by bit), answers and table are those of an
                             undisturbed run
    kills_repeated_share     time spent again, starts included, of the undisturbed run's (which is
                             `undisturbed_seconds`)
    kills_left_processes     processes of killed runs that outlived them by five seconds
    disk_full, disk_errors_of_one_line, disk_same
                             how often a run ended since the disk was full, how often it said so in
                             one line; whether all is the same in the end
    server_faults            that requests met, by their reason
    server_lost_samples, server_same
                             samples that are not whole; whether all have the right text
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.faults.disk import disk
from benchmarks.faults.kills import kills
from benchmarks.faults.servers import servers


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=10, help="of the run")
    parser.add_argument("--full", type=int, default=6, help="times that the disk fills up")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        parts = [Path(name) / part for part in ("kills", "disk", "servers")]
        for part in parts:
            part.mkdir()
        found = _kills(parts[0], options.kills, options.seed)
        found |= disk(parts[1], options.full, options.seed)
        spoilt = servers(parts[2])
    found |= {
        "server_faults": spoilt.faults,
        "server_lost_samples": spoilt.lost,
        "server_same": spoilt.same,
    }
    print(json.dumps(found))


def _kills(folder: Path, count: int, seed: int) -> dict[str, object]:
    found = kills(folder, count, seed)
    return {
        "undisturbed_seconds": round(found.undisturbed, 1),
        "kills": found.kills,
        "killed_in": found.reached,
        "kills_same": found.same,
        "kills_repeated_share": round(found.repeated, 2),
        "kills_left_processes": found.left_processes,
    }


if __name__ == "__main__":
    main()
