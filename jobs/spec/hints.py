"""What was probably meant by a key or a value that a job file does not take. Pure."""

from __future__ import annotations

_MEANT = {
    "output.path": "the place is output.uri",
    "output.dir": "the place is output.uri",
    "output.folder": "the place is output.uri",
    "output.format": "files, webdataset or parquet is output.container, and wav, flac, opus or mp3 is output.audio",
    "output.type": "files, webdataset or parquet is output.container, and wav, flac, opus or mp3 is output.audio",
    "output.codec": "wav, flac, opus or mp3 is output.audio",
    "input.path": "the place is input.uri",
    "input.file": "the place is input.uri",
    "input.speaker": "the column of the voice is input.voice, and one voice for all rows is model.voice",
    "input.lang": "the column of the language is input.language",
    "model.language": "there is none: each voice has its language (`speechmill voices`), so choose model.voice",
    "model.speaker": "it is model.voice",
    "model.weights": "the folder of the weights is model.path",
    "voice": "it is model.voice",
    "speed": "it is model.speed",
    "corpus": "it is input.uri",
    "cluster.workers": "it is cluster.replicas",
    "cluster.gpus": "it is cluster.gpus_per_replica, and cluster.replicas",
    "cluster.num_replicas": "it is cluster.replicas",
}
_WORDS_OR_NUMBERS = {"model.batch_size": "auto_max", "cluster.replicas": "auto, service"}
_SECTIONS = {"input": "uri: corpus.csv", "output": "uri: out", "model": "name: hibari", "cluster": "address: local"}


def meant_by(key: str) -> str:
    """What to write in place of a key that is none, by its name; "" where nothing is known of it."""
    return _MEANT.get(key, "")


def plain_words(key: str, kind: str, value: object) -> str:
    """What a value has to be, in plain words; "" where the checker's own words do.

    Args:
        key: The key, as in "model.batch_size"
        kind: What the checker calls the fault
    """
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        example = _SECTIONS.get(key)
        name = key or "the job"
        return f"it holds keys, as in `{name}: {{{example}}}`" if example else "it holds keys of its own"
    if kind in ("int_parsing", "literal_error") and key in _WORDS_OR_NUMBERS:
        return f"must be {_WORDS_OR_NUMBERS[key]}, or a whole number"
    if kind == "int_parsing":
        return "must be a whole number"
    if kind == "float_parsing":
        return f"must be a number{_share(value)}"
    return ""


def _share(value: object) -> str:
    """A percentage as the share that it is, to follow "a number"."""
    if not isinstance(value, str) or not value.strip().endswith("%"):
        return ""
    try:
        return f"; {value.strip()} is {float(value.strip().rstrip('%')) / 100:g}"
    except ValueError:
        return ""
