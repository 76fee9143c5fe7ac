"""The YAML of a job file, read with less trust than YAML asks for.

Guaranteed: bounded time and memory, whatever the text holds: aliases and merge keys that would unfold to more than
`MAX_NODES` values are refused before they unfold, and so are a key that comes twice (YAML's last one would win
silently), a value that holds itself, and every tag but those of plain values. What is wrong is told with its line,
without the line itself: it may hold a secret.
Not known here: what the keys mean.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1 << 18
"""Of a file. Most have a few hundred; a parser in Python takes seconds for that many."""
MAX_NODES = 100_000
"""Keys and values, each alias counted as what it stands for."""


class BadYaml(ValueError):
    """Text that is no YAML, or more than a job file may hold."""


def read_yaml(path: str | Path) -> Any:
    """The value in a file.

    Raises:
        OSError: The file system refuses
        BadYaml: The text is not the YAML that a job file may hold
    """
    if "\0" in str(path):
        raise BadYaml("its name holds a NUL")
    with Path(path).open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise BadYaml(f"it is longer than {MAX_BYTES:,} bytes: no job file is")
    try:
        return parse_yaml(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadYaml(f"byte 0x{data[error.start]:02X} at byte {error.start + 1:,} is not UTF-8") from error


def parse_yaml(text: str) -> Any:
    """The value in a text; None in one of no content.

    Raises:
        BadYaml: The text is not the YAML that a job file may hold
    """
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _weigh(node, {})
            return loader.construct_document(node)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        finally:
            loader.dispose()  # pyright: ignore[reportUnknownMemberType]
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        told = " ".join(part for part in (error.context, error.problem) if part)
        raise BadYaml(told + (_line(where) if where else "")) from error
    except yaml.YAMLError as error:
        raise BadYaml(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise BadYaml("its values are nested too deeply") from error
    except (ValueError, TypeError, OverflowError) as error:  # what looks like a date or a number, and is none
        raise error if isinstance(error, BadYaml) else BadYaml(str(error)) from error


def _weigh(node: yaml.Node, known: dict[int, int]) -> int:
    """How many keys and values a node unfolds to.

    Raises:
        BadYaml: The text is not the YAML that a job file may hold
    """
    weight = known.get(id(node))
    if weight is not None:
        if not weight:
            raise BadYaml(f"a value holds itself{_line(node.start_mark)}")
        return weight
    known[id(node)] = 0  # being weighed
    weight = 1
    for child in _children(node):
        weight += _weigh(child, known)
        if weight > MAX_NODES:
            raise BadYaml(f"it unfolds to more than {MAX_NODES:,} values{_line(node.start_mark)}")
    known[id(node)] = weight
    return weight


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    if not isinstance(node, yaml.MappingNode):
        return []
    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in seen:
                raise BadYaml(f'the key "{key.value:.80}" comes twice{_line(key.start_mark)}')
            seen.add((key.tag, key.value))
    return [child for pair in node.value for child in pair]


def _line(mark: Any) -> str:
    return f" (line {mark.line + 1})"
