"""From a model's name to its class. A new model is one file or folder beside this one, plus one line here."""

from __future__ import annotations

import importlib

from ...errors import ModelError, did_you_mean
from .base import AutoregressiveModel, Model, ModelConfig, ModelInfo

MODELS = {
    "chattts": ("speechmill.actors.models.chattts.model", "Chattts"),
    "f5tts": ("speechmill.actors.models.f5tts.model", "F5tts"),
    "hibari": ("speechmill.actors.models.hibari", "Hibari"),
    "kokoro": ("speechmill.actors.models.kokoro.model", "Kokoro"),
    "minicpmo": ("speechmill.actors.models.minicpmo.model", "Minicpmo"),
    "openai": ("speechmill.actors.models.endpoint.model", "Openai"),
    "tone": ("speechmill.actors.models.tone", "Tone"),
}


def model_class(name: str) -> type[Model]:
    """The class of a registered model, or of a user's own named as "module:Class".

    Raises:
        ModelError: The model, its weights or its options are wrong; the message names the key or file
    """
    module_name, _, class_name = name.partition(":")
    if not class_name:
        if name not in MODELS:
            hint = did_you_mean(name, MODELS)
            raise ModelError(
                f'model.name "{name}" is not registered: {hint}{"" if hint.endswith("?") else "."} '
                'A model of your own is named as "module:Class".'
            )
        module_name, class_name = MODELS[name]
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a user's module may raise anything
        raise ModelError(f'model.name "{name}": cannot import {module_name}: {error}') from error
    found = getattr(module, class_name, None)
    if found is None:
        raise ModelError(f'model.name "{name}": {module_name} has no class {class_name}')
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise ModelError(f'model.name "{name}": {class_name} is not a subclass of speechmill.Model')
    return found


def describe(config: ModelConfig) -> ModelInfo:
    """What the configured model is, without loading it.

    Raises:
        ModelError: The model, its weights or its options are wrong; the message names the key or file
    """
    return model_class(config.name).describe(config)


def is_autoregressive(config: ModelConfig) -> bool:
    """Whether the configured model speaks step by step: rows join and leave, so it takes no batches."""
    return issubclass(model_class(config.name), AutoregressiveModel)


def load(config: ModelConfig) -> Model:
    """The configured model, loaded onto its device.

    Raises:
        ModelError: The model, its weights or its options are wrong; the message names the key or file
    """
    return model_class(config.name)(config)
