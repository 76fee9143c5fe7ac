"""Texts as ChatTTS's token ids, and the prompts that make the model speak or refine.

Guarantees that no text is cut off or padded, and that control tags are one token each. What a user writes cannot end a
prompt early: the tags that frame it are taken out of texts. Knows no audio.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import tokenizers

from .....errors import ModelError
from ..checkpoint.layout import PAD_ID, Sizes, token_id

_FRAMES = re.compile(r"\[(?:[SPE]asr|[SPE]tts|[SPE]break|spk_emb|empty_spk|undefine|music|pure)\]")
_REFINED_BELOW = "[break_0]"
"""What a refined text may hold are the tokens before this one: marks of pauses and laughter, no settings."""


FRAME_TOKENS = 2
"""How many begin a prompt to speak; what the audio says that follows the prompt comes behind them."""


class Tokenizer:
    """A tokenizer.json in the format of the tokenizers library."""

    def __init__(self, file: Path, sizes: Sizes) -> None:
        """Read the tokenizer's file.

        Raises:
            ModelError: It cannot be read
        """
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises nothing narrower
            raise ModelError(f"chattts: {file} is no tokenizer: {error}") from error
        # The published file cuts at 256 tokens and pads to as many.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._sizes = sizes

    def speak_prompt(self, text: str, settings: str, *, has_speaker: bool, spoken: str = "") -> list[int]:
        """What the model continues with the codes of `text`.

        Args:
            settings: Control tags, such as "[speed_5]"
            has_speaker: Whether a voice is put in at `speaker_id`
            spoken: The words of the audio that follows the prompt, if any does
        """
        speaker = "[spk_emb]" if has_speaker else "[empty_spk]"
        written = f"{_unframed(spoken)}{_unframed(settings)}{_unframed(text).strip()}"
        return self.ids(f"[Stts]{speaker}{_unframed(written)}[Ptts]")  # once more: parts may meet as a tag

    def refine_prompt(self, text: str, settings: str) -> list[int]:
        """What the model continues with `text` as it is spoken. `settings` are tags, such as `[oral_2][break_6]`."""
        return self.ids(f"[Sbreak]{_unframed(text).strip()}[Pbreak]{_unframed(settings)}")

    def refined_text(self, ids: Sequence[int]) -> str:
        """The text that refining has written, words, tags and Chinese characters apart; settings are left out.

        Its tokens are the ids again, but for the settings.
        """
        last = token_id(_REFINED_BELOW, self._sizes)
        return self._tokenizer.decode([token for token in ids if token < last], skip_special_tokens=False)

    @property
    def speaker_id(self) -> int:
        """The token in whose place a voice is put."""
        return token_id("[spk_emb]", self._sizes)

    @property
    def refine_end(self) -> int:
        """The token that ends a refined text."""
        return token_id("[Ebreak]", self._sizes)

    def ids(self, text: str) -> list[int]:
        """The tokens of a text, special ones included where it names them."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [token for token in ids if token != PAD_ID]


def _unframed(text: str) -> str:
    return _FRAMES.sub(" ", text)  # a space, or what is around could come together as another
