"""The one entry: compose the configuration, plan, run the stages.

`python run.py --help` says what can be set; conf/ holds the groups.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tessy.pipeline.command import command

CONF = Path(__file__).resolve().parent / "conf"


def main() -> None:
    """Run the command line; the exit status is 0 when everything that was asked for is done."""
    sys.exit(command(sys.argv[1:], CONF))


if __name__ == "__main__":
    main()
