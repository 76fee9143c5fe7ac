"""Voices: blends are sums of tables, a seed is one voice everywhere, and draws are spread evenly."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.kokoro_files import ROWS, TINY, VOICES, write_folder

from speechmill.actors.models.kokoro.options import default_voice, read_options
from speechmill.actors.models.kokoro.voices.names import LANGUAGES, NAMES, OPENAI_VOICES, language_of, pool
from speechmill.actors.models.kokoro.voices.styles import DRAWN, Styles, drawn_parts
from speechmill.actors.models.kokoro.voices.tables import VoiceFiles, voice_files
from speechmill.errors import ModelError

LANGUAGES_SAID = {"en": {"a"}, "en-GB": {"b"}, "zh": {"z"}, "ja": {"j"}}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> VoiceFiles:
    return voice_files(write_folder(tmp_path_factory.mktemp("kokoro") / "weights") / "voices")


@pytest.fixture(scope="module")
def styles(files: VoiceFiles) -> Styles:
    return Styles(files, TINY.style, "am_puck", VOICES)


def test_rows_that_name_a_language_draw_from_its_voices(files: VoiceFiles) -> None:
    styles = Styles(files, TINY.style, "am_puck", VOICES, NAMES)
    for seed in range(20):
        drawn = {
            language: {name[0] for name, _ in styles.parts("by_seed", seed, language)} for language in LANGUAGES_SAID
        }
        assert drawn == LANGUAGES_SAID
    assert styles.parts("seed:3", 0, "zh") == styles.parts("by_seed", 3, "zh-CN")
    assert styles.parts("af_heart", 0, "zh") == (("af_heart", 1.0),)
    few = Styles(files, TINY.style, "am_puck", ("am_puck",), ("am_puck",))
    assert few.parts("by_seed", 1, "zh") == (("am_puck", 1.0),)


def test_there_are_54_voices_in_nine_languages() -> None:
    assert len(set(NAMES)) == 54
    assert list(NAMES) == sorted(NAMES)
    assert {language_of(name) for name in NAMES} == set(LANGUAGES.values())
    assert len(pool(NAMES, "en-us")) == 20 and len(pool(NAMES, "zh", "m")) == 4
    assert set(OPENAI_VOICES.values()) <= set(NAMES)


def test_the_style_of_a_voice_is_the_row_of_its_table_for_the_number_of_phonemes(
    files: VoiceFiles, styles: Styles
) -> None:
    table = files.table("bf_emma", TINY.style)
    for num_phonemes in (1, 20, ROWS):
        assert np.array_equal(styles.style("bf_emma", 0, num_phonemes), table[num_phonemes - 1])


def test_the_default_voice_and_openais_names_are_voices(styles: Styles) -> None:
    assert styles.parts("") == (("am_puck", 1.0),)
    assert styles.parts("marin") == (("af_heart", 1.0),)


def test_a_blend_is_the_sum_of_its_parts(files: VoiceFiles, styles: Styles) -> None:
    mixed = 0.75 * files.table("af_heart", TINY.style)[9] + 0.25 * files.table("jf_alpha", TINY.style)[9]
    assert np.allclose(styles.style("af_heart:3+jf_alpha:1", 0, 10), mixed, atol=1e-6)


def test_a_seed_is_one_voice_and_the_rows_own_seed_is_a_seed(styles: Styles) -> None:
    """Law: the voice follows the seed alone, and the row's own seed gives the voice of that number."""
    assert np.array_equal(styles.style("seed:7", 1, 30), styles.style("seed:7", 2, 30))
    assert np.array_equal(styles.style("by_seed", 7, 30), styles.style("seed:7", 1, 30))
    assert not np.array_equal(styles.style("by_seed", 8, 30), styles.style("by_seed", 7, 30))


def test_what_a_seed_draws_is_fixed_for_good() -> None:
    """A voice by seed is in people's corpora: it must not change with a release."""
    shares = dict(drawn_parts(42, pool(NAMES, "en-us")))
    assert shares == pytest.approx({"af_alloy": 0.208211599, "am_onyx": 0.617220910, "af_heart": 0.174567490})


def test_draws_are_different_voices_with_shares_that_sum_to_one_evenly_spread() -> None:
    counts: Counter[str] = Counter()
    for seed in range(2_000):
        parts = drawn_parts(seed, NAMES)
        assert len({name for name, _ in parts}) == DRAWN
        assert sum(share for _, share in parts) == pytest.approx(1.0)
        assert all(share > 0 for _, share in parts)
        counts.update(name for name, _ in parts)
    expected = 2_000 * DRAWN / len(NAMES)  # 111; its deviation is 10
    assert all(abs(count - expected) < 5 * 10.3 for count in counts.values())


def test_a_pool_of_fewer_voices_gives_all_of_them() -> None:
    assert {name for name, _ in drawn_parts(1, ("a", "b"))} == {"a", "b"}
    assert drawn_parts(1, ("a",)) == (("a", 1.0),)


def test_pools_are_those_of_the_language_or_as_named() -> None:
    def drawn(**options: object) -> tuple[str, ...]:
        return read_options(options, "cpu").drawn_from(NAMES, "zf_xiaoni")

    assert drawn() == pool(NAMES, "zh")
    assert drawn(language="en-gb") == pool(NAMES, "en-gb")
    assert drawn(pool=["af", "im_nicola"]) == (*pool(NAMES, "en-us", "f"), "im_nicola")
    assert drawn(pool="j") == pool(NAMES, "ja")
    with pytest.raises(ModelError, match=r"model\.options\.pool \['xx'\] has no voice"):
        drawn(pool=["xx"])
    assert read_options({}, "cpu").drawn_from(("jf_alpha", "jm_kumo"), "jf_alpha") == ("jf_alpha", "jm_kumo")
    # Where no voice of the language is at hand, seeds draw from all that are.
    assert read_options({"language": "en-us"}, "cpu").drawn_from(("jf_alpha",), "jf_alpha") == ("jf_alpha",)


@pytest.mark.parametrize(
    ("options", "device", "said"),
    [
        ({"weight": "demo"}, "cpu", r"model\.options\.weight is not an option.*weights"),
        ({"weights": "hub"}, "cpu", r"weights is 'hub'; it has to be one of published, demo"),
        ({"voices": 3}, "cpu", "own, npm"),
        ({"dtype": "float16"}, "cuda", "float32, tf32, bfloat16"),
        ({"dtype": "tf32"}, "cpu", "needs model.device cuda"),
        ({"language": "es"}, "cpu", "auto, en-us, en-gb, zh, ja"),
        ({"deterministic": 1.5}, "cpu", "auto, true, false"),
        ({"pool": []}, "cpu", "list of voices"),
        ({"pool": [1]}, "cpu", "list of voices"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, object], device: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        read_options(options, device)


def test_the_default_voice_is_heart_where_it_is() -> None:
    assert default_voice(NAMES) == "af_heart"
    assert default_voice(("jf_alpha", "jm_kumo")) == "jf_alpha"


def test_a_seed_without_voices_to_draw_from_is_refused(files: VoiceFiles) -> None:
    with pytest.raises(ModelError, match=r"model\.options\.pool"):
        Styles(files, TINY.style, "am_puck", ()).style("seed:1", 0, 5)


def test_a_folder_with_other_files_has_only_voices(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "weights") / "voices"
    (folder / "notes.pt").write_bytes(b"")
    assert voice_files(folder).names == tuple(sorted(VOICES))
