"""From a judge's name to its class. A new judge is one file beside this one, plus one line here."""

from __future__ import annotations

import importlib

from ...errors import ModelError, did_you_mean
from .base import Judge, JudgeConfig, JudgeInfo

JUDGES = {
    "duration": ("speechmill.actors.judges.duration", "Duration"),
    "forced": ("speechmill.actors.judges.whisper", "Forced"),
    "mos": ("speechmill.actors.judges.mos", "Mos"),
    "signal": ("speechmill.actors.judges.signal", "Signal"),
    "speaker": ("speechmill.actors.judges.speaker", "Speaker"),
    "transcript": ("speechmill.actors.judges.whisper", "Transcript"),
}


def judge_class(name: str) -> type[Judge]:
    """The class of a registered judge, or of a user's own named as "module:Class".

    Raises:
        ModelError: There is no such judge; the message names the key
    """
    module_name, _, class_name = name.partition(":")
    if not class_name:
        if name not in JUDGES:
            raise ModelError(
                f'quality.judges: "{name}" is not registered: {did_you_mean(name, JUDGES)} '
                'A judge of your own is named as "module:Class".'
            )
        module_name, class_name = JUDGES[name]
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a user's module may raise anything
        raise ModelError(f'quality.judges: "{name}": cannot import {module_name}: {error}') from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Judge)):
        raise ModelError(f'quality.judges: "{name}": {module_name} has no subclass of speechmill.Judge, {class_name}')
    return found


def describe_judge(config: JudgeConfig) -> JudgeInfo:
    """What the configured judge is, without loading it.

    Raises:
        ModelError: The judge, its weights or its options are wrong; the message names the key or file
    """
    return judge_class(config.name).describe(config)


def load_judge(config: JudgeConfig) -> Judge:
    """The configured judge, loaded onto its device.

    Raises:
        ModelError: The judge, its weights or its options are wrong; the message names the key or file
    """
    return judge_class(config.name)(config)
