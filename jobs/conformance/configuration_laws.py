"""The laws of a model before it speaks: what it says of itself, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from ...actors.models.base import ModelConfig
from ...actors.models.registry import describe, load
from ...errors import ModelError
from .damage import damaged_copies, largest_weights
from .subject import Broken, Skipped, Subject

SAMPLE_RATES = (8_000, 192_000)
_NO_NAME = "no voice has this name"
_HEAVY = ("torch", "onnxruntime", "ray")


def describes_itself(subject: Subject) -> None:
    """`describe` says what makes sense, twice the same, and takes no GPU; of speechmill's own, none imports torch."""
    info = describe(subject.config)
    low, high = SAMPLE_RATES
    slowest, fastest = info.speeds
    for is_right, what in (
        (info == describe(subject.config), "a second call says something else"),
        (info == subject.info, "the loaded model's `info` is another one"),
        (bool(info.name and info.revision and info.backend), "name, revision and backend must not be empty"),
        (low <= info.sample_rate <= high, f"sample_rate is {info.sample_rate} Hz"),
        (not info.voice_fault(info.default_voice), f"default_voice {info.default_voice!r} is no voice"),
        (info.max_length >= 1 and info.split_chars >= 1, "max_length and split_chars must be 1 or more"),
        (info.batch_limit.max_rows >= 1 and info.batch_limit.max_cells >= 1, "batch_limit allows no row"),
        (info.base_s >= 0 and info.char_s > 0 and info.audio_char_s > 0, "base_s, char_s or audio_char_s is no cost"),
        (bool(info.languages), "languages must name one"),
        (0 < slowest <= 1 <= fastest, f"speeds are {info.speeds}; 1 must be among them"),
    ):
        if not is_right:
            raise Broken(what)
    loaded = _loaded_by_describing(subject.config)
    if "cuda" in loaded:
        raise Broken("describing it takes a GPU, which belongs to the replicas")
    if loaded and ":" not in subject.config.name:
        raise Broken(f"describing it imports {', '.join(loaded)}: `plan` and the driver would wait for that")


def _loaded_by_describing(config: ModelConfig) -> list[str]:
    code = (
        "import sys; from speechmill.actors.models.base import ModelConfig; "
        "from speechmill.actors.models.registry import describe; "
        f"sys.path[:0] = {sys.path!r}; describe(ModelConfig(**{asdict(config)!r})); "
        f"print(*[name for name in {_HEAVY!r} if name in sys.modules]); "
        "torch = sys.modules.get('torch'); print('cuda' if torch and torch.cuda.is_initialized() else '')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it failed"]
        raise Broken(f"it cannot be described in another process: {lines[-1]}")
    return done.stdout.split()


def refuses_what_is_wrong(subject: Subject) -> None:
    """An unknown option, backend or default voice is a ModelError before anything is loaded."""
    wrong = {
        "an option that it does not have": replace(subject.config, options={**subject.config.options, "nonsuch": 1}),
        "a backend that does not exist": replace(subject.config, backend="nonsuch"),
    }
    if subject.info.voices:
        wrong["a voice that it does not have"] = replace(subject.config, voice=_NO_NAME)
    for what, config in wrong.items():
        try:
            describe(config)
        except ModelError:
            continue
        except Exception as error:
            raise Broken(f"{what} raises {type(error).__name__}, where ModelError is expected: {error}") from error
        raise Broken(f"{what} is accepted in silence")


def refuses_damaged_weights(subject: Subject) -> None:
    """Weights that are cut off, or have a tensor of another name, are a ModelError that names the file."""
    if subject.config.path is None:
        raise Skipped("no weights were named (--weights)")
    path = Path(subject.config.path)
    weights = largest_weights(path)
    if weights is None:
        raise Skipped(f"{path} has no file whose ending is known")
    with tempfile.TemporaryDirectory() as folder:
        for what, copy in damaged_copies(path, weights, Path(folder)):
            config = replace(subject.config, path=str(copy))
            try:
                describe(config)
                load(config)
            except ModelError as error:
                if weights.name not in str(error):
                    raise Broken(f"{weights.name} {what} is refused without being named: {error}") from error
                continue
            except Exception as error:
                found = f"{type(error).__name__}, where ModelError is expected: {error}"
                raise Broken(f"{weights.name} {what} raises {found}") from error
            raise Broken(f"{weights.name} {what} is loaded as if it were whole")
