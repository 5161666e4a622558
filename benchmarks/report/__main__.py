"""Measure the report: `python -m benchmarks.report [--quick]`.

The last line is one JSON object:

    report_seconds      `stage=report` of Table 1 from artifacts on disk: the base model and
                        8 methods, 8 benchmarks, 464 x 4 judged answers each (aim: below 20)
    style_peak_mb       memory of a process that analyses 30,000 responses of 15,000 tokens, over a
                        vocabulary of Qwen3's size (aim: below 4,096)
    style_seconds       its wall time, the making of the texts included
    plan_paper_seconds  `python run.py stage=plan experiment=paper`, start included (aim: below 3)
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import hydra

from benchmarks.report.results import PROBLEMS, write_results
from tessy.pipeline.compose import compose
from tessy.pipeline.execute import execute

ROOT = Path(__file__).resolve().parents[2]
RESPONSES, TOKENS = 30_000, 15_000


def report_seconds(problems: int) -> float:
    """Wall time of the report stage alone, from complete artifacts."""
    with tempfile.TemporaryDirectory() as outputs:
        overrides = [
            *("experiment=table1", "stage=report", "tracking=none", f"outputs_dir={outputs}"),
            *("predictor=released", "questions=file", f"questions.path={__file__}"),
        ]
        with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            experiment = compose(hydra.compose("config", overrides), "", overrides)
        write_results(experiment, problems)
        began = time.monotonic()
        execute(experiment)
        return time.monotonic() - began


def plan_seconds() -> float:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as outputs:
        command = ["run.py", "stage=plan", "experiment=paper", f"outputs_dir={outputs}"]
        subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def style(responses: int, tokens: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.report.style", str(responses), str(tokens)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a hundredth of it, to try it out")
    quick = parser.parse_args().quick
    plan = plan_seconds()
    report = report_seconds(PROBLEMS // 20 if quick else PROBLEMS)
    measured = style(RESPONSES // 100 if quick else RESPONSES, TOKENS)
    print(
        json.dumps(
            {
                "report_seconds": round(report, 2),
                "style_peak_mb": measured["peak_mb"],
                "style_seconds": measured["seconds"],
                "plan_paper_seconds": round(plan, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
