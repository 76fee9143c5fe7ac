"""`speechmill voices`: the voices of a model, and how each sounds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .check_model import OptionOption
from .exits import reported

if TYPE_CHECKING:
    from ...actors.models.base import ModelConfig

MODELS_IN_WORDS = {
    "hibari": "English, US and UK; weights come with speechmill (Apache-2.0)",
    "kokoro": "54 voices: English, Chinese, Japanese; weights Apache-2.0, fetched at first use (docs/kokoro.md)",
    "chattts": "Chinese and English, a voice for every seed; weights CC BY-NC 4.0: no commercial use (docs/chattts.md)",
    "minicpmo": "Chinese and English, text may arrive while it is spoken; weights Apache-2.0 (docs/minicpmo.md)",
    "f5tts": "Chinese and English, in a recording's voice; weights CC BY-NC 4.0: no commercial use (docs/f5tts.md)",
    "openai": "what a server with OpenAI's speech interface speaks (docs/endpoints.md)",
    "tone": "no speech: tones that cost what they are told to, for tests",
}
"""What `speechmill voices` says of each model."""

_NO_FILE_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_FORMS = {
    "blend": "blends, as in {first}:0.7+{second}:0.3",
    "seed": "seed:N, a voice drawn from a number",
    "by_seed": "by_seed, one drawn from each row's own seed",
    "vector": "vector:…, a voice as numbers",
}


def voices(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="A model's name, or module:Class. Left out: all, and hibari."),
    ] = None,
    weights: Annotated[str | None, typer.Option(metavar="DIR", help="Its weights, as model.path.")] = None,
    options: OptionOption = None,
    preview: Annotated[Path | None, typer.Option(metavar="DIR", help="Speak with each voice into this folder.")] = None,
    only: Annotated[
        list[str] | None, typer.Option("--voice", help="This voice, in place of all; a blend, too.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="What a preview says, in place of a sentence of ours.")] = None,
    seed: Annotated[int, typer.Option(help="Of a preview.")] = 0,
) -> None:
    """List models and voices, and with --preview speak a sentence with each voice: NAME.flac.

    Examples:
        speechmill voices

        speechmill voices hibari --preview out/voices
    """
    with reported():
        if model is None and preview is None:
            print("Models:")
            print(*(f"  {name:9}{told}" for name, told in MODELS_IN_WORDS.items()), sep="\n")
            print("Voices of hibari (`speechmill voices MODEL` lists another's):")
        model = model or "hibari"
        from ...actors.models.base import ModelConfig
        from ...actors.models.registry import describe
        from ..spec.overrides import read_pair

        chosen = dict(read_pair(pair, "--option", "weights=demo") for pair in options or [])
        config = ModelConfig(model, path=weights, options=chosen)
        info = describe(config)
        names = only or info.voices or (info.default_voice,)
        if preview is None:
            print(*(f"{name} (default)" if name == info.default_voice else name for name in names), sep="\n")
            first, second = (*info.voices, "a", "b")[:2]
            for form in info.voice_forms:
                print(_FORMS[form].format(first=first, second=second))
            if not info.voices:
                print("Any name is a voice.")
            return
        _preview(config, tuple(names), preview, text, seed)


def _preview(config: ModelConfig, names: tuple[str, ...], folder: Path, text: str | None, seed: int) -> None:
    """Write a clip for each voice; one that cannot say the text is named with the reason."""
    import numpy as np
    import soundfile

    from ...actors.models.probe_texts import probe_texts
    from ...errors import RowError
    from ..say.api import loaded, say

    model = loaded(config)
    sentence = text or probe_texts(model.info.languages).sentences[2]
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        try:
            speech = say(sentence, model=model, voice=name, seed=seed)
            samples = np.concatenate(list(speech))
        except RowError as error:
            print(f"{name}: {error}", flush=True)
            continue
        path = folder / f"{_NO_FILE_NAME.sub('_', name)}.flac"
        soundfile.write(path, samples, speech.sample_rate)
        print(f"{name}: {path}", flush=True)
