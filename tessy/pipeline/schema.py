"""From plain data, as YAML and the command line have it, to the dataclasses of tessy.config."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from tessy.config import ALONE, ON_REQUEST, STAGES
from tessy.errors import ConfigError, nearest

T = TypeVar("T")


def stages(value: Any) -> tuple[str, ...]:
    """The stages that `stage=` asks for, in their order.

    Args:
        value: "all", "plan", "compare", one stage or a list of stages.

    Raises:
        ConfigError: a name is unknown, or all, plan or compare stands beside others.
    """
    names = value if isinstance(value, list | tuple) else [value]
    for name in names:
        if name not in (*STAGES, "all", *ALONE):
            raise ConfigError(
                f"stage={name!r} is unknown", nearest(str(name), (*STAGES, "all", *ALONE))
            )
    if not names:
        raise ConfigError("stage=[] asks for nothing", "set stage=all")
    if len(names) > 1 and {"all", *ALONE} & set(names):
        raise ConfigError(
            f"stage={list(names)} mixes all, plan or compare with others",
            "name one of them, or stages only",
        )
    if names[0] in ALONE:
        return (str(names[0]),)
    if list(names) == ["all"]:
        return tuple(stage for stage in STAGES if stage not in ON_REQUEST)
    return tuple(stage for stage in STAGES if stage in names)


def build(kind: type[T], data: Any, place: str) -> T:
    """Make the dataclass `kind` of plain data, refusing unknown, missing and mistyped fields.

    Args:
        kind: a dataclass of tessy.config.
        data: what the YAML files and the command line say.
        place: the option's dotted path, for messages; empty at the top.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(
            f"{place}={data!r} replaces a group of options by a value",
            f"set one of its options, {place}.NAME=VALUE",
        )
    hints = typing.get_type_hints(kind)
    for key in data:
        if key not in hints or key == "cases":
            raise ConfigError(f"option {join(place, str(key))!r} is unknown", nearest(key, hints))
    missing = [
        f.name
        for f in dataclasses.fields(kind)  # type: ignore[arg-type]
        if f.name not in data
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(
            f"{place or 'the configuration'} lacks {', '.join(missing)}",
            f"set {join(place, missing[0])}=VALUE",
        )
    # In the order of the class: what repeats another option by default is not blamed first.
    given = {key: data[key] for key in hints if key in data}
    return kind(**{k: convert(hints[k], v, join(place, k)) for k, v in given.items()})


def convert(hint: Any, value: Any, place: str) -> Any:
    """`value` as the type hint wants it; a whole number may stand for a float or a text."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    number = isinstance(value, int) and not isinstance(value, bool)
    if hint is Any:  # an argument of a chat template
        if isinstance(value, str | float) or number or isinstance(value, bool):
            return value
        raise ConfigError(
            f"{place}={value!r} is not a text, a number, true or false", f"give {place} one of them"
        )
    if dataclasses.is_dataclass(hint):
        return build(hint, value, place)  # type: ignore[arg-type]
    if origin is Literal:
        if value in arguments:
            return value
        raise ConfigError(f"{place}={value!r} is unknown", nearest(str(value), arguments))
    if origin is tuple:
        if isinstance(value, list | tuple):
            return tuple(convert(arguments[0], v, f"{place}[{i}]") for i, v in enumerate(value))
        raise ConfigError(f"{place}={value!r} is not a list", f"write {place}=[{value}]")
    if origin is not None and issubclass(origin, Mapping):
        if isinstance(value, Mapping):
            given = list(value.items())
            if arguments[1] is Any:  # null leaves an argument of the YAML out
                given = [(k, v) for k, v in given if v is not None]
            return {str(k): convert(arguments[1], v, join(place, str(k))) for k, v in given}
    elif hint is float and (number or isinstance(value, float)):
        return float(value)
    elif (hint is int and number) or (hint is not int and isinstance(value, hint)):
        return value
    elif hint is str and number:  # outputs_dir=2024 is a name
        return str(value)
    wanted = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    expected = wanted.get(hint, "a group of options")
    raise ConfigError(f"{place}={value!r} is not {expected}", f"give {place} {expected}")


def join(place: str, name: str) -> str:
    """A dotted path."""
    return f"{place}.{name}" if place else name
