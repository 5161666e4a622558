"""The cases of a table or figure: each is an experiment, described by what it changes.

    deepseek-r1: [teacher=deepseek-r1-0528, "method=[teacher_only,tessy]"]

Changes are written as on the command line. A chosen group replaces that group as a whole. Composing
each of some twenty cases by Hydra would take seconds; here each group's file is read once.

Cases that need the same artifacts share them, within a figure and between figures: their graphs
are united by fingerprint (`tessy.pipeline.graph.build`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from tessy.errors import ConfigError, nearest
from tessy.pipeline.overrides import LISTS, check_overrides, groups, plain_value

Figures = Mapping[str, Mapping[str, Sequence[str]]]
# What may be drawn; the drawings are in eval.report.paper.
PAPER = ("table1", *(f"fig{n}" for n in range(3, 18)))


def compose_cases(
    config: DictConfig, figures: Figures, given: Sequence[str]
) -> dict[str, DictConfig]:
    """The configuration of each case, by "FIGURE/CASE".

    Args:
        config: Hydra's composed configuration of the experiment.
        figures: as the experiment has them.
        given: the command line's own overrides, which win over those of a case.

    Raises:
        ConfigError: a figure is unknown or has no case, or a case changes what is not there.
    """
    for figure, cases in figures.items():
        if figure not in PAPER:
            raise ConfigError(f"figures.{figure} is no figure of the paper", nearest(figure, PAPER))
        if not cases:
            raise ConfigError(f"figures.{figure} has no case", "give it one: {all: []}")
    conf = _conf()
    known = groups(conf)
    base: Any = OmegaConf.to_container(config)
    base["figures"] = {}
    changes = dict.fromkeys(
        c for cases in figures.values() for case in cases.values() for c in case
    )
    try:
        parsed = dict(
            zip(changes, check_overrides(list(changes), conf, multirun=False), strict=True)
        )
    except ConfigError as error:
        raise ConfigError(f"figures={list(figures)}: {error}") from None
    commanded = check_overrides(given, conf, multirun=True)
    last = [o for o in commanded if _place(o) not in known]
    chosen = {_place(o): plain_value(o) for o in commanded}
    composed: dict[tuple[str, ...], DictConfig] = {}  # several figures show the same
    found = {}
    for figure, cases in figures.items():
        for case, wanted in cases.items():
            kept = tuple(sorted(c for c in wanted if not _is_beaten(c.split("=", 1)[0], chosen)))
            if kept not in composed:
                data: dict[str, Any] = copy.deepcopy(base)
                for override in sorted(
                    (parsed[c] for c in kept), key=lambda o: _place(o) not in known
                ):
                    _apply(data, override, conf)
                for override in last:
                    _apply(data, override, conf)
                composed[kept] = OmegaConf.create(data)
            found[f"{figure}/{case}"] = composed[kept]
    return found


def _is_beaten(place: str, chosen: Mapping[str, Any]) -> bool:
    """Whether the command line sets it, or has chosen a list without what it is an option of."""
    package, *rest = place.split(".")
    group = next((g for g, of in LISTS.items() if of == package), "")
    if rest and group in chosen:
        return rest[0] not in chosen[group]
    return place in chosen


def _apply(data: dict[str, Any], override: Override, conf: Path) -> None:
    """Choose a group, or set an option."""
    place, value = _place(override), plain_value(override)
    if place in LISTS:
        names = value if isinstance(value, list) else [value]
        data[LISTS[place]] = {name: _load(conf / place / f"{name}.yaml") for name in names}
    elif (conf / place.split("@")[0]).is_dir():
        group, _, target = place.partition("@")
        data[target or group] = _load(conf / group / f"{value}.yaml")
    else:
        *above, name = place.split(".")
        for part in above:
            data = data[part]
        data[name] = value


def _place(override: Override) -> str:
    key = str(override.key_or_group)
    return f"{key}@{override.package}" if override.package else key


@cache
def _load(path: Path) -> dict[str, Any]:
    data = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(data, dict)
    return {str(key): value for key, value in data.items()}


def _conf() -> Path:
    """The folder of the groups."""
    searched = GlobalHydra.instance().config_loader().get_search_path().get_path()
    return next(Path(s.path.removeprefix("file://")) for s in searched if s.provider == "main")
