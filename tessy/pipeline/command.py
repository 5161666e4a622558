"""The command line: check it, let Hydra compose, run each job, say in one line what went wrong."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override
    from omegaconf import DictConfig

INTERRUPTED = 130  # what a shell reports for Ctrl-C


def command(arguments: Sequence[str], conf: Path) -> int:
    """Run `python run.py ARGUMENTS`.

    Args:
        arguments: overrides and Hydra's flags.
        conf: the folder of config.yaml and the groups.

    Returns:
        The exit status: 0 when all that was asked for is done, 1 after an error.
    """
    debug = "debug=true" in (argument.lower() for argument in arguments)
    failures: list[Exception] = []
    try:
        _launch(arguments, conf, failures)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        _say(error, debug)
        return 1
    if len(failures) > 1:
        print(f"{len(failures)} of the sweep's runs failed, see above", file=sys.stderr)
    return 1 if failures else 0


def _launch(arguments: Sequence[str], conf: Path, failures: list[Exception]) -> None:
    import hydra
    from hydra._internal.utils import get_args_parser
    from hydra.core.hydra_config import HydraConfig

    from tessy.pipeline.overrides import check_overrides, sweep_suffix

    flags = get_args_parser().parse_args(list(arguments))
    overrides = check_overrides(flags.overrides, conf, flags.multirun)
    if flags.multirun:
        _check_jobs(overrides, flags.overrides, conf)

    def job(config: DictConfig) -> None:
        from tessy.pipeline.compose import compose
        from tessy.pipeline.execute import execute

        suffix = sweep_suffix(overrides, HydraConfig.get().overrides.task)
        try:
            execute(compose(config, suffix, HydraConfig.get().overrides.task))
        except Exception as error:  # a sweep goes on with its next job
            failures.append(error)
            _say(error, bool(config.debug))

    # Hydra prints a traceback of its own, or raises if asked to: `command` says it better.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv[1:] = arguments
    hydra.main(config_path=str(conf), config_name="config", version_base="1.3")(job)()


def _check_jobs(overrides: Sequence[Override], arguments: Sequence[str], conf: Path) -> None:
    """Compose every job of a sweep before the first one starts."""
    import hydra
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    from tessy.errors import ConfigError
    from tessy.pipeline.compose import compose
    from tessy.pipeline.overrides import sweep_suffix

    if any("hydra/sweeper" in argument for argument in arguments):
        return  # its jobs are known to that sweeper only
    (jobs,) = BasicSweeper.split_arguments(list(overrides), max_batch_size=None)
    named: dict[str, list[str]] = {}
    with hydra.initialize_config_dir(str(conf), version_base="1.3"):
        for job in jobs:
            experiment = compose(
                hydra.compose("config", list(job)), sweep_suffix(overrides, job), job
            )
            named.setdefault(experiment.name, []).append(" ".join(job))
    for name, same in named.items():
        if len(same) > 1:
            raise ConfigError(
                f"{len(same)} runs of the sweep are called {name!r} ({'; '.join(same)}): each "
                "report would replace the one before",
                "do not set name= in a sweep over experiments",
            )


def _say(error: Exception, debug: bool) -> None:
    """One line on stderr, after the traceback if it was asked for."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from tessy.errors import TessyError
    from tessy.pipeline.disk import storage_error

    if debug:
        traceback.print_exception(error)
    known = error if isinstance(error, TessyError) else storage_error(error, Path.cwd())
    if known is not None:
        text = str(known)
    elif isinstance(error, HydraException | OmegaConfBaseException):
        text = " ".join(str(error).split())
    else:
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = (
            f"{type(error).__name__}: {error} ({place.filename}:{place.lineno}); this is a fault "
            "of tessy, debug=true shows the traceback"
        )
    print(f"error: {text}", file=sys.stderr)
