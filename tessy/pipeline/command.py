"""The command line: check it, let Hydra compose, run each job, say in one line what went wrong."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override
    from omegaconf import DictConfig

    from tessy.config import Experiment
    from tessy.pipeline.sweep import Sweep

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
    failed = 0
    try:
        failed = _launch(arguments, conf)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        _say(error, debug)
        return 1
    return 1 if failed else 0


def _launch(arguments: Sequence[str], conf: Path) -> int:
    """Have Hydra run the job or the jobs; how many failed."""
    import hydra
    from hydra._internal.utils import get_args_parser

    from tessy.pipeline.overrides import check_overrides, swept

    flags = get_args_parser().parse_args(list(arguments))
    overrides = check_overrides(flags.overrides, conf, flags.multirun)
    sweep = _sweep(overrides, flags.overrides, conf) if flags.multirun else None
    failures: list[Exception] = []
    # Hydra prints a traceback of its own, or raises if asked to: `command` says it better.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv[1:] = arguments
    job = _job(swept(overrides), sweep.folder if sweep else None, failures)
    main = hydra.main(config_path=str(conf), config_name="config", version_base="1.3")(job)
    if sweep is None:
        main()
        return len(failures)
    return _run_sweep(sweep, main, conf)


def _job(
    names: frozenset[str], sweep_folder: Path | None, failures: list[Exception]
) -> Callable[[DictConfig], None]:
    """What Hydra calls for each job; a launcher may do so in another process."""

    def job(config: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        from tessy.pipeline.compose import compose
        from tessy.pipeline.execute import execute
        from tessy.pipeline.overrides import sweep_suffix
        from tessy.pipeline.sweep import record

        began = time.monotonic()
        experiment, made, said = None, 0, ""
        suffix = sweep_suffix(names, HydraConfig.get().overrides.task)
        try:
            experiment = compose(config, suffix, HydraConfig.get().overrides.task)
            made = execute(experiment, str(config.name))
        except Exception as error:  # a sweep goes on with its next job
            failures.append(error)
            said = _say(error, bool(config.debug))
        if sweep_folder is not None:
            number = HydraConfig.get().job.num
            record(sweep_folder, number, experiment, said, made, time.monotonic() - began)

    return job


def _run_sweep(sweep: Sweep, main: Callable[[], None], conf: Path) -> int:
    """Run the jobs and conclude, also when their launcher gives up; how many failed."""
    from tessy.pipeline.lock import locked
    from tessy.pipeline.sweep import conclude

    # Launchers start processes that must find tessy, also where it is not installed.
    found = [str(conf.parent), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, found))
    with locked(sweep.folder):  # the same sweep, started twice
        sweep.begin()
        try:
            main()
        except Exception as error:  # such as a worker that the kernel killed
            _say(error, debug=False)
        return conclude(sweep)


def _sweep(overrides: Sequence[Override], arguments: Sequence[str], conf: Path) -> Sweep | None:
    """Compose every job of a sweep before the first one starts; None if they only plan."""
    import hydra
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    from tessy.errors import ConfigError
    from tessy.pipeline.compose import compose
    from tessy.pipeline.overrides import sweep_suffix, swept
    from tessy.pipeline.sweep import Job, Sweep

    if any("hydra/sweeper" in argument for argument in arguments):
        raise ConfigError("hydra/sweeper is another sweeper than Hydra's own", "leave it out")
    (jobs,) = BasicSweeper.split_arguments(list(overrides), max_batch_size=None)
    names = swept(overrides)
    composed: list[tuple[Job, str, Experiment]] = []
    with hydra.initialize_config_dir(str(conf), version_base="1.3"):
        for number, job in enumerate(jobs):
            config = hydra.compose("config", list(job))
            experiment = compose(config, sweep_suffix(names, job), job)
            own = tuple(part for part in job if not part.lstrip("+~").startswith("hydra"))
            composed.append((Job(number, experiment.name, own), str(config.name), experiment))
    own_names = [job.name for job, _, _ in composed]
    for name in own_names:
        if own_names.count(name) > 1:
            raise ConfigError(
                f"{own_names.count(name)} jobs of the sweep have the name {name!r}",
                "give the experiments different names, as one would replace the other's report",
            )
    if all(experiment.stages == ("plan",) for _, _, experiment in composed):
        return None
    _, _, first = composed[0]
    name = "+".join(dict.fromkeys(name for _, name, _ in composed))
    return Sweep(name, tuple(j for j, _, _ in composed), Path(first.outputs_dir), first.tracking)


def _say(error: Exception, debug: bool) -> str:
    """One line on stderr, after the traceback if it was asked for; the line is returned."""
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
    return text
