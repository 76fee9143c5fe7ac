"""The file that `speechmill judge --calibrate` writes, read for a job's gate and for a judging."""

from __future__ import annotations

import json
from typing import Any, cast

from ...cluster.storage import S3Options, open_storage
from ...errors import SpecError, StorageMissing


def read_calibration(uri: str, s3: S3Options | None, key: str) -> dict[str, object]:
    """What was measured for each judge, by its name.

    Args:
        key: Key or option that names the file, for messages

    Raises:
        SpecError: There is no such file, or it holds something else
    """
    folder, _, name = uri.rpartition("/")
    try:
        found: Any = json.loads(open_storage(folder or ("/" if uri.startswith("/") else "."), s3).get(name))
    except StorageMissing as error:
        raise SpecError(f"{key}: {uri} is not there; `speechmill judge --calibrate` writes it") from error
    except ValueError as error:
        raise SpecError(f"{key}: {uri} is no JSON: {error}") from error
    judges = found.get("judges") if isinstance(found, dict) else None
    if not isinstance(judges, dict) or not all(isinstance(value, dict) for value in judges.values()):
        raise SpecError(f'{key}: {uri} needs "judges", with the thresholds of each judge by its name')
    return cast("dict[str, object]", judges)
