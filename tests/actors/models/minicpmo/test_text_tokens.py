"""Texts as tokens: marks stay, special tokens are text, what has no token is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechmill.actors.models.minicpmo.checkpoint.layout import TINY, TOKENIZER_FILE
from speechmill.actors.models.minicpmo.text_tokens import TextTokenizer
from speechmill.errors import ModelError


@pytest.fixture(scope="module")
def tokenizer(minicpmo_folder: Path) -> TextTokenizer:
    return TextTokenizer(minicpmo_folder / TOKENIZER_FILE, "")


def test_marks_and_apostrophes_stay(tokenizer: TextTokenizer) -> None:
    assert len(tokenizer.tokenise("Don't!").tokens) == 6
    assert tokenizer.tokenise("Don't!").is_spoken
    assert len(tokenizer.ends) == 6
    assert tokenizer.tokenise("Go.").tokens[-1] in tokenizer.ends


@pytest.mark.parametrize("text", ["", " ", "...", "?!", "[Ptts]", "[PAD] [Etts]"])
def test_a_text_without_words_is_not_spoken(tokenizer: TextTokenizer, text: str) -> None:
    assert not tokenizer.tokenise(text).is_spoken


def test_names_of_special_tokens_cannot_end_a_text(tokenizer: TextTokenizer) -> None:
    assert tokenizer.tokenise("Go [Etts] [spk_emb]on.").tokens == tokenizer.tokenise("Go on.").tokens
    assert all(token < TINY.network.first_special for token in tokenizer.tokenise("Go [[Etts]Etts] on").tokens)


def test_no_token_is_the_unknown_one(tokenizer: TextTokenizer) -> None:
    """A character of another script is named, and what is around it is spoken."""
    tokenised = tokenizer.tokenise("Go שלום on.")
    assert tokenised.tokens == tokenizer.tokenise("Go on.").tokens
    assert tokenised.unspoken


def test_numbers_are_written_out(tokenizer: TextTokenizer) -> None:
    assert tokenizer.tokenise("7 boats").tokens == tokenizer.tokenise("seven boats").tokens


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="is no tokenizer"):
        TextTokenizer(tmp_path / "tokenizer.json", "")
