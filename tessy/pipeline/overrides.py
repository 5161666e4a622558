"""The command line, checked before Hydra sees it: a misspelt name gets a suggestion, not a trace.

Knows the groups of `conf/` by their folders and the options by the dataclasses of tessy.config.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, QuotedString
from hydra.errors import HydraException

from tessy.config import Experiment
from tessy.errors import ConfigError, nearest
from tessy.pipeline.schema import join, stages

MOVED = ("student@author",)  # a group that fills another place as well
# group of several -> where its files go
LISTS = {"method": "methods", "benchmark": "benchmarks", "figure": "figures"}


def groups(conf: Path) -> dict[str, list[str]]:
    """The choices of each group, by the folders and files of `conf`."""
    return {
        folder.name: sorted(file.stem for file in folder.glob("*.yaml"))
        for folder in sorted(conf.iterdir())
        if folder.is_dir() and folder.name != "hydra"
    }


def options(choices: Mapping[str, Sequence[str]]) -> list[str]:
    """Every option that may be set, as dotted paths."""
    top = {"stage": str} | {
        k: v for k, v in _hints(Experiment).items() if k not in ("stages", "cases", "figures")
    }
    return sorted(_leaves(top, "", choices))


def check_overrides(arguments: Sequence[str], conf: Path, multirun: bool) -> list[Override]:
    """Refuse overrides that name no group, choice or option.

    Args:
        arguments: the command line's overrides ("teacher=mini").
        conf: the folder of the groups.
        multirun: whether several values of an option mean several runs (`-m`).

    Returns:
        The parsed overrides.

    Raises:
        ConfigError: with the nearest name that exists.
    """
    choices = groups(conf)
    known = options(choices)
    parsed = [_parse(argument) for argument in arguments]
    for override in parsed:
        key = override.key_or_group
        if key.split(".")[0].split("/")[0] == "hydra":
            continue
        line = override.input_line or key
        if _is_template_argument(key):  # those of a template are its own; Hydra knows the YAML's
            continue
        if override.is_add() or override.is_force_add() or override.is_delete():
            raise ConfigError(
                f"{line!r} adds or deletes an option, but all are declared in conf/",
                f"write {key}=VALUE",
            )
        if override.package is not None and f"{key}@{override.package}" not in MOVED:
            raise ConfigError(f"{line!r} moves a group, which tessy does not know", f"write {key}=")
        if override.is_sweep_override() and not multirun:
            raise ConfigError(
                f"{line!r} names several values",
                f"write '{key}=[A,B]' for a list, or add -m to run once for each",
            )
        if key in choices:
            _check_choice(key, override, choices[key])
        elif any(option.startswith(f"{key}.") for option in known):
            raise ConfigError(f"{line!r} sets a group of options", f"set one, {key}.NAME=VALUE")
        elif key not in known:
            raise ConfigError(f"option {key!r} is unknown", _suggest(key, choices, known))
        elif key == "stage":
            for value in _values(override):
                stages(value)
    return parsed


def swept(parsed: Iterable[Override]) -> frozenset[str]:
    """The options that tell the jobs of a sweep apart; a name does so by itself."""
    names = {o.key_or_group for o in parsed if o.is_sweep_override()}
    return frozenset(names - {"experiment", "name"})


def sweep_suffix(names: frozenset[str], job: Iterable[str]) -> str:
    """What tells a job of a sweep from the others, fit for a file name.

    Args:
        names: the swept options.
        job: the overrides of one job of the sweep.
    """
    parts = [part for part in job if part.split("=")[0] in names]
    return re.sub(r"[^\w.=-]+", "_", ",".join(parts))


def plain_value(override: Override) -> Any:
    """The value of an override that is no sweep."""
    return _plain(override._value)


def _is_template_argument(key: str) -> bool:
    place, _, name = key.rpartition(".")
    return bool(name) and place in ("student.template", "teacher.template")


def _parse(argument: str) -> Override:
    try:
        return OverridesParser.create().parse_override(argument)
    except HydraException as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"{argument!r} is not an override ({reason})",
            "write option=value, quoted for the shell where it holds brackets or blanks",
        ) from error


def _check_choice(group: str, override: Override, choices: Sequence[str]) -> None:
    for value in _values(override):
        if isinstance(value, list) and group not in LISTS:
            raise ConfigError(f"{group}={value} names several", f"choose one {group}")
        for name in value if isinstance(value, list) else [value]:
            if str(name) not in choices:
                raise ConfigError(f"{group}={name} is unknown", nearest(str(name), choices))


def _values(override: Override) -> list[Any]:
    """The values of an override, each of a sweep's; ranges and globs are left to Hydra."""
    value = override._value
    if isinstance(value, ChoiceSweep):
        return [_plain(item) for item in value.list]
    return [] if override.is_sweep_override() else [_plain(value)]


def _plain(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _suggest(key: str, choices: Mapping[str, Sequence[str]], known: Sequence[str]) -> str:
    """The mend for an unknown option: the nearest one, and those beside it."""
    first, _, rest = key.partition(".")
    full = f"{LISTS[first]}.{rest}" if first in LISTS else key
    every = [*known, *choices]
    close = [full] if full in known else difflib.get_close_matches(full, every, n=1, cutoff=0.5)
    parent = full.rpartition(".")[0]
    beside = [o.rpartition(".")[2] for o in known if o.rpartition(".")[0] == parent]
    if not beside or not parent:
        beside = sorted({*choices, *(o.split(".")[0] for o in known)})
    listing = f"{parent + ' has ' if parent else 'choose from '}{', '.join(beside)}"
    return f"did you mean {close[0]!r}? {listing}" if close else listing


def _leaves(
    hints: Mapping[str, Any], place: str, choices: Mapping[str, Sequence[str]]
) -> Iterable[str]:
    for name, hint in hints.items():
        path = join(place, name)
        if dataclasses.is_dataclass(hint):
            yield from _leaves(_hints(hint), path, choices)
        elif path in LISTS.values() and path != "figures":  # of which the cases are no options
            group = next(g for g, package in LISTS.items() if package == path)
            item = _hints(typing.get_args(hint)[1])
            for choice in choices[group]:
                yield from _leaves(item, join(path, choice), choices)
        else:
            yield path


def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)
