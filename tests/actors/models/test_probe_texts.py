"""Texts to try models with: ten sentences of each language, and words for a text of any length."""

from __future__ import annotations

import pytest

from speechmill.actors.batcher.probes import Probes
from speechmill.actors.models.base import ModelConfig, ModelInfo
from speechmill.actors.models.probe_texts import SENTENCES, probe_texts
from speechmill.actors.models.tone import Tone
from speechmill.actors.records.utterance import Prepared
from speechmill.errors import RowRejected


@pytest.mark.parametrize("language", SENTENCES)
def test_a_language_has_ten_sentences_and_words_without_marks(language: str) -> None:
    texts = probe_texts([language])
    assert texts.language == language
    assert len(set(texts.sentences)) == 10
    assert len(texts.words) > 40
    assert all(any(map(str.isalpha, word)) and " " not in word for word in texts.words)


@pytest.mark.parametrize(
    ("languages", "language"),
    [((), "en"), (("pt-BR",), "pt"), (("xx", "zh"), "zh"), (("xx",), "en"), (("EN-gb", "zh"), "en")],
)
def test_the_first_language_that_is_known_counts(languages: tuple[str, ...], language: str) -> None:
    assert probe_texts(languages).language == language


class Chinese(Tone):
    """A tone that reads Chinese characters alone."""

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        from dataclasses import replace

        return replace(super().describe(config), languages=("zh",))

    def prepare(self, text: str, voice: str) -> Prepared:
        if not all("一" <= char <= "鿿" for char in text):
            raise RowRejected("only Chinese, please")
        return Prepared.of(map(ord, text))


def test_a_model_is_measured_in_its_own_language() -> None:
    for length in (3, 30, 120):
        batch = Probes(Chinese(ModelConfig("tone"))).batch(5, length)
        assert [segment.length for segment in batch] == [length] * 5
        assert len({segment.text for segment in batch}) == 5
