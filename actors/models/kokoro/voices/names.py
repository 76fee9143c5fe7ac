"""The names of the published voices, and what a name says: language and gender. Standard library only.

A name is a letter for the language, f or m, and a name after an underscore. The languages are those of the voices;
which of them can be read from plain text is said in `text.readers`.
"""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES: Mapping[str, str] = {
    "a": "en-us",
    "b": "en-gb",
    "e": "es",
    "f": "fr",
    "h": "hi",
    "i": "it",
    "j": "ja",
    "p": "pt-br",
    "z": "zh",
}
"""The language of a voice's first letter."""

_BY_KIND: Mapping[str, str] = {
    "af": "alloy aoede bella heart jessica kore nicole nova river sarah sky",
    "am": "adam echo eric fenrir liam michael onyx puck santa",
    "bf": "alice emma isabella lily",
    "bm": "daniel fable george lewis",
    "ef": "dora",
    "em": "alex santa",
    "ff": "siwis",
    "hf": "alpha beta",
    "hm": "omega psi",
    "if": "sara",
    "im": "nicola",
    "jf": "alpha gongitsune nezumi tebukuro",
    "jm": "kumo",
    "pf": "dora",
    "pm": "alex santa",
    "zf": "xiaobei xiaoni xiaoxiao xiaoyi",
    "zm": "yunjian yunxi yunxia yunyang",
}
NAMES: tuple[str, ...] = tuple(f"{kind}_{name}" for kind, names in _BY_KIND.items() for name in names.split())
"""All 54, in the order of the alphabet."""

DEFAULT_VOICE = "af_heart"

OPENAI_VOICES: Mapping[str, str] = {
    "alloy": "af_alloy",
    "ash": "am_adam",
    "ballad": "bm_fable",
    "cedar": "am_michael",
    "coral": "af_bella",
    "echo": "am_echo",
    "fable": "bm_fable",
    "marin": "af_heart",
    "nova": "af_nova",
    "onyx": "am_onyx",
    "sage": "af_sarah",
    "shimmer": "af_sky",
    "verse": "am_puck",
}
"""The voices of OpenAI's speech endpoint, each by the voice of that name, or one of its kind."""


def language_of(name: str) -> str:
    """The language of a voice: "en-us"."""
    return LANGUAGES[name[0]]


def tag_of(language: str) -> str:
    """The language of voices that reads a row's: "en-us" of "en" and "en-US", "en-gb" of "en-GB", "zh" of "zh-CN"."""
    name, _, region = language.lower().partition("-")
    return name if name != "en" else "en-gb" if region == "gb" else "en-us"


def pool(names: tuple[str, ...], language: str, gender: str = "") -> tuple[str, ...]:
    """The voices that speak a language, of one gender ("f", "m") or of both (""); in the order of the alphabet."""
    return tuple(sorted(n for n in names if language_of(n) == language and (not gender or n[1] == gender)))
