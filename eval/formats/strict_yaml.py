"""YAML of test data, read so that every complaint has a line.

Only plain mappings, sequences and scalars: no tags are obeyed, and aliases are refused, by which a
small file could become a large one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import yaml

from tessy.errors import DataError

_MAX_BYTES = 1 << 20
_MAX_DEPTH = 50
_MEND = "mend the file, or leave the problem out"
_SCALARS = ("null", "bool", "int", "float", "str")
T = TypeVar("T")


@dataclass(frozen=True)
class Field:
    """A value in a YAML file, and where it stands.

    `value` is None, a bool, int, float or str, a tuple of fields, or a mapping of names to fields.
    """

    value: Any
    file: str
    line: int
    name: str
    raw: str = ""  # a scalar as it is spelled

    def get(self, name: str) -> Field:
        """The field of that name; one of value None where it is not there."""
        found = self.mapping().get(name)
        return found or Field(None, self.file, self.line, self._named(name))

    def mapping(self) -> Mapping[str, Field]:
        return self._is(dict, "a mapping")

    def items(self) -> tuple[Field, ...]:
        return self._is(tuple, "a list")

    def text(self, default: str | None = None) -> str:
        """A text; a number stands for its spelling, as in `input: 010`."""
        if self.value is None and default is not None:
            return default
        if isinstance(self.value, int | float) and not isinstance(self.value, bool):
            return self.raw
        return self._is(str, "a text")

    def whole(self, low: int, high: int, default: int | None = None) -> int:
        """A whole number in low..high."""
        if self.value is None and default is not None:
            return default
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.wrong("a whole number")
        if not low <= self.value <= high:
            raise self.wrong(f"in {low}..{high}")
        return self.value

    def only(self, names: Iterable[str]) -> None:
        """Refuse keys that nobody would read."""
        known = sorted(names)
        for name, field in self.mapping().items():
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
                hint = f"did you mean {close[0]!r}? " if close else ""
                raise DataError(
                    f"{field.file}:{field.line}: unknown key {field.name!r:.80}",
                    f"{hint}known are {', '.join(known)}",
                )

    def wrong(self, wanted: str) -> DataError:
        """The error that says what this field should be."""
        value = self.value if not isinstance(self.value, dict | tuple) else type(self.value)
        found = "missing" if value is None else f"{value!r:.80}"
        if isinstance(self.value, dict | tuple):
            found = "a list" if isinstance(self.value, tuple) else "a mapping"
        return DataError(f"{self.file}:{self.line}: {self.name} is {found}, not {wanted}", _MEND)

    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, tuple):
            return [item.plain() for item in self.value]
        if isinstance(self.value, dict):
            return {name: item.plain() for name, item in self.value.items()}
        return self.value

    def _is(self, kind: type[T], wanted: str) -> T:
        if not isinstance(self.value, kind):
            raise self.wrong(wanted)
        return self.value

    def _named(self, name: str) -> str:
        return f"{self.name}.{name}" if self.name else name


def parse(data: bytes, file: str) -> Field:
    """The document in a YAML file.

    Args:
        file: its name, for errors.

    Raises:
        DataError: not YAML, more than one document, or a value of a kind that is not read here.
    """
    if len(data) > _MAX_BYTES:
        raise DataError(f"{file} has {len(data):,} bytes", _MEND)
    try:
        text = data.decode("utf-8-sig")
        _refuse_traps(text, file)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise DataError(f"{file} is empty", _MEND)
        return _field(node, file, "")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise DataError(f"{file}:{line}: not YAML ({error.problem})", _MEND) from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        said = str(error).splitlines()[0]
        raise DataError(f"{file}: not YAML ({said:.200})", _MEND) from None


def _refuse_traps(text: str, file: str) -> None:
    """Refuse what would make the file larger, or reading it slow, before nodes are composed."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise DataError(f"{file}:{line}: alias *{event.anchor:.40} is not read", _MEND)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise DataError(f"{file}:{line}: nested more than {_MAX_DEPTH} deep", _MEND)


def _field(node: yaml.Node, file: str, name: str) -> Field:
    line = node.start_mark.line + 1 if node.start_mark else 1
    if isinstance(node, yaml.MappingNode):
        return Field(dict(_pairs(node, file, name)), file, line, name)
    if isinstance(node, yaml.SequenceNode):
        items = (_field(item, file, f"{name}[{i}]") for i, item in enumerate(node.value))
        return Field(tuple(items), file, line, name)
    kind = node.tag.rpartition(":")[2]
    if not node.tag.startswith("tag:yaml.org,2002:") or kind not in _SCALARS:
        if kind in ("timestamp", "value", "merge"):  # a file name may look like a date
            return Field(node.value, file, line, name, node.value)
        raise DataError(f"{file}:{line}: {name} has the tag {node.tag!r:.80}", _MEND)
    try:
        value = yaml.SafeLoader("").construct_object(node)
    except (ValueError, LookupError, OverflowError):
        raise DataError(f"{file}:{line}: {name} is {node.value!r:.80}", _MEND) from None
    return Field(value, file, line, name, node.value)


def _pairs(node: yaml.MappingNode, file: str, name: str) -> Iterator[tuple[str, Field]]:
    seen = set()
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1 if key_node.start_mark else 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise DataError(f"{file}:{line}: a key of {name or 'the file'} is no text", _MEND)
        key = key_node.value
        if key in seen:
            raise DataError(f"{file}:{line}: {key!r:.80} is there twice", _MEND)
        seen.add(key)
        field = _field(value_node, file, f"{name}.{key}" if name else key)
        yield key, replace(field, line=line)
