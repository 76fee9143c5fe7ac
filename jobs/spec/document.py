"""A YAML file of sections as typed values: every key is checked at the edge, and unknown ones are refused by name.

Guaranteed: a wrong file is a `SpecError` that names the wrong keys, and what each may be. Not known here: which
sections there are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from ...errors import SpecError, did_you_mean
from ..corpus.printable import printable
from .hints import meant_by, plain_words
from .overrides import override
from .uris import without_credentials
from .yaml_reader import BadYaml, read_yaml

_MAX_TOLD = 20
"""Wrong keys that are named."""
_HALF = re.compile("[\ud800-\udfff]")


class Section(BaseModel):
    """Keys that are known, and checked."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=(), defer_build=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: object, info: ValidationInfo) -> object:
        """To Python, true is the number 1; and a text may hold halves of characters, which no file takes."""
        if isinstance(value, str) and not value.isascii() and _HALF.search(value):
            raise ValueError("must not hold half a surrogate pair")
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and kind is not bool and bool not in get_args(kind):
            raise ValueError("must not be true or false")
        return value


class Document(Section):
    """A whole file of sections."""

    @classmethod
    def parse(cls, values: Mapping[str, Any], source: str = "job") -> Self:
        """One from plain values.

        Raises:
            SpecError: A key is wrong; the message names every one and what it may be
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            told: dict[str, list[str]] = {}
            for detail in error.errors():
                key, problem = _explain(cls, detail)
                told.setdefault(printable(key, 200), []).append(printable(problem))
            lines = [f"{key} {' or '.join(dict.fromkeys(problems))}" for key, problems in told.items()]
            more = [f"and {len(lines) - _MAX_TOLD:,} more"] if len(lines) > _MAX_TOLD else []
            raise SpecError(f"{source}: " + "; ".join(lines[:_MAX_TOLD] + more)) from error

    @classmethod
    def load(cls, path: str | Path | None, overrides: list[str] | None = None) -> Self:
        """One from a YAML file (None: all defaults), with "key.key=value" overrides.

        Raises:
            SpecError: The job is wrong; the message names the key
        """
        source = printable(str(path))
        try:
            values = {} if path is None else read_yaml(path)
        except OSError as error:
            raise SpecError(f"{source}: cannot be read: {error.strerror}") from error
        except BadYaml as error:
            raise SpecError(f"{source}: is not valid YAML: {printable(str(error))}") from error
        if not isinstance(values, dict):
            raise SpecError(
                f"{source}: must hold keys such as input and output, as in `input: {{uri: corpus.csv}}`; a corpus is "
                "run with `speechmill run corpus.csv -o out/`"
            )
        for pair in overrides or []:
            override(values, pair)
        return cls.parse(values, "--set" if path is None else source)


def _explain(root: type[BaseModel], detail: Any) -> tuple[str, str]:
    """A wrong key, and what is wrong with it; an unknown one with the nearest known key of its section."""
    names = [str(part) for part in detail["loc"]]
    if detail["type"] == "extra_forbidden":
        known = [".".join([*names[:-1], field]) for field in _fields(root, names[:-1])]
        name = ".".join(names)
        return f'"{name}"', f"is not a key; {meant_by(name) or did_you_mean(name, known)}"
    # Behind the key, pydantic names the alternative of a union that it tried: one key, several complaints.
    depth = next((d for d in range(len(names)) if names[d] not in _fields(root, names[:d])), len(names))
    key = ".".join(names[:depth])
    if detail["type"] == "missing":
        return f'"{key}"', "is missing"
    value = detail.get("input")
    message = plain_words(key, detail["type"], value) or detail["msg"].removeprefix("Value error, ").replace(
        "Input should", "should"
    )
    return f"{key or 'the job'} is {_shown(value)}:", message


def _shown(value: object) -> str:
    try:
        return without_credentials(json.dumps(value, default=str))[:80]
    except (ValueError, RecursionError):  # a YAML value may hold itself
        return "a value that cannot be shown"


def _fields(model: type[BaseModel], path: list[str]) -> list[str]:
    """Field names of the section at `path`, or none where there is no such section."""
    for name in path:
        field = model.model_fields.get(name)
        section = field.annotation if field else None
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            return []
        model = section
    return list(model.model_fields)
