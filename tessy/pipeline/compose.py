"""From Hydra's composed configuration to a checked `Experiment`: nothing unknown gets through."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tessy.checks import check
from tessy.config import Experiment
from tessy.errors import ConfigError
from tessy.pipeline.cases import compose_cases
from tessy.pipeline.schema import build, stages


def compose(config: DictConfig, suffix: str = "", overrides: Sequence[str] = ()) -> Experiment:
    """Build the experiment and check what cannot be combined.

    Args:
        config: Hydra's composed configuration, without its own `hydra` node.
        suffix: added to the experiment's name, so that the jobs of a sweep do not share a report.
        overrides: those of the command line, which also hold for the cases of its figures.

    Raises:
        ConfigError: naming the option, its value and the mend.
    """
    experiment = _experiment(config, suffix)
    if not experiment.figures:
        return experiment
    cases = {}
    for name, case in compose_cases(config, experiment.figures, overrides).items():
        try:
            cases[name] = _experiment(case, suffix)
        except ConfigError as error:
            raise ConfigError(f"figures.{name.replace('/', '.')}: {error}") from None
    return dataclasses.replace(experiment, cases=cases)


def _experiment(config: DictConfig, suffix: str) -> Experiment:
    try:
        data = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(
            f"the configuration does not resolve ({str(error).splitlines()[0]})",
            "give the option a value",
        ) from error
    assert isinstance(data, dict)
    values = {str(key): value for key, value in data.items()}
    values["stages"] = list(stages(values.pop("stage", "all")))
    experiment = build(Experiment, values, "")
    if suffix:
        experiment = dataclasses.replace(experiment, name=f"{experiment.name}-{suffix}")
    check(experiment)
    return experiment
