"""KEY=VALUE on a command line: the value is read as YAML, as it would be in a job file."""

from __future__ import annotations

from typing import Any

from ...errors import SpecError
from ..corpus.printable import printable
from .yaml_reader import BadYaml, parse_yaml


def read_pair(pair: str, option: str, example: str) -> tuple[str, Any]:
    """Key and value.

    Raises:
        SpecError: An option is wrong; the message names it
    """
    key, equals, value = pair.partition("=")
    if not equals or not all(key.split(".")):
        raise SpecError(f'{option} "{printable(pair, 80)}" must look like {example}')
    try:
        return key, parse_yaml(value)
    except BadYaml as error:
        # The shell takes the outer quotes, YAML the inner ones.
        quoted = f"; to mean these characters: {option} '{printable(key)}=\"{printable(value, 80)}\"'"
        cure = quoted if not {"'", '"'} & set(value) else ""
        raise SpecError(
            f"{option} {printable(key)}: the value is not valid YAML ({printable(str(error))}){cure}"
        ) from error


def override(values: dict[str, Any], pair: str) -> None:
    """Set the key of a pair of --set, as in "model.batch_size=16".

    Raises:
        SpecError: The job is wrong; the message names the key
    """
    path, value = read_pair(pair, "--set", "model.batch_size=16")
    *sections, name = path.split(".")
    section: Any = values
    for key in sections:
        if section.get(key) is None:
            section[key] = {}
        section = section[key]
        if not isinstance(section, dict):
            raise SpecError(f"--set {printable(path)}: {printable(key)} has a value already, and no keys below it")
    section[name] = value
