"""`speechmill voices` and `speechmill weights`: what they list, speak, check and refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
from support.kokoro_files import VOICES, write_folder
from typer.testing import CliRunner

from speechmill.errors import SpecError
from speechmill.jobs.cli.main import app
from speechmill.jobs.cli.weights import split_arguments


def output_of(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == status, done.output
    return done.output


def test_voices_are_listed_with_the_forms_that_a_row_may_name(tmp_path: Path) -> None:
    said = output_of("voices", "kokoro", "--weights", str(write_folder(tmp_path / "weights")))
    assert "af_heart (default)" in said
    for name in (*VOICES, "marin"):
        assert name in said
    assert "af_heart:0.7+am_puck:0.3" in said and "by_seed" in said and "seed:N" in said


def test_a_voice_is_previewed_and_one_that_is_none_is_named(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("--weights", str(write_folder(tmp_path / "weights")), "--preview", str(out), "--text", "Hi.")
    said = output_of("voices", "kokoro", *arguments, "--voice", "af_heart:1+jf_alpha:2")
    assert [path.name for path in out.iterdir()] == ["af_heart_1_jf_alpha_2.flac"]
    assert "af_heart_1_jf_alpha_2.flac" in said
    samples, rate = soundfile.read(next(out.iterdir()))
    assert rate == 24_000 and len(samples) > 1_000
    assert "nobody" in output_of("voices", "kokoro", *arguments, "--voice", "nobody", status=2)


def test_kokoros_folder_is_checked_to_the_last_file(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "weights")
    said = output_of("weights", "kokoro", str(folder))
    assert "Whole, with 5 voices: af_heart" in said
    assert f"model: {{name: kokoro, path: {folder}}}" in said
    (folder / "voices" / "jf_alpha.pt").write_bytes(b"")
    assert "jf_alpha.pt is not the voice" in output_of("weights", "kokoro", str(folder), status=2)


@pytest.mark.parametrize(
    ("arguments", "model", "folder"),
    [
        ([], "chattts", None),
        (["/data"], "chattts", Path("/data")),
        (["kokoro"], "kokoro", None),
        (["kokoro", "/data"], "kokoro", Path("/data")),
        (["chattts", "kokoro"], "chattts", Path("kokoro")),
        (["minicpmo", "/data"], "minicpmo", Path("/data")),
    ],
)
def test_the_model_of_weights_comes_first(arguments: list[str], model: str, folder: Path | None) -> None:
    assert split_arguments(arguments) == (model, folder)


def test_random_weights_of_minicpmo_are_written_and_checked(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    written = output_of("weights", "minicpmo", "--random", str(folder), "--size", "tiny")
    assert f"model: {{name: minicpmo, path: {folder}}}" in written
    checked = output_of("weights", "minicpmo", str(folder))
    assert "32 tensors read" in checked
    assert "voices of 48 or 32 numbers" in checked
    assert "is there already" in output_of("weights", "minicpmo", "--random", str(folder), status=2)
    assert "names no folder" in output_of("weights", "minicpmo", status=2)
    assert "no random weights of kokoro" in output_of("weights", "kokoro", "--random", str(folder), status=2)


def test_weights_of_a_model_that_has_none_are_refused() -> None:
    with pytest.raises(SpecError, match='"hibari" is no such model'):
        split_arguments(["hibari", "/data"])
    assert "--voices belongs to kokoro" in output_of("weights", "--voices", "npm", status=2)
    assert "--voices npm" in output_of("weights", "kokoro", "--voices", "hub", status=2)


def test_random_weights_of_f5tts_are_written_and_checked(tmp_path: Path) -> None:
    said = output_of("weights", "f5tts", "--random", str(tmp_path / "tiny"), "--size", "tiny")
    assert "Random" in said and f"model: {{name: f5tts, path: {tmp_path / 'tiny'}}}" in said
    assert "Whole, not the published weights" in output_of("weights", "f5tts", str(tmp_path / "tiny"))
    assert "no random weights of kokoro" in output_of("weights", "kokoro", "--random", str(tmp_path / "a"), status=2)
