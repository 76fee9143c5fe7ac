"""Addresses of the net: links, mail, hosts, IP and hardware addresses, names of files, found by their form.

Guaranteed: only what has the form of one is taken, with no mark of the sentence behind it; it takes time linear in the
text. How it is said is a language's affair.
"""

from __future__ import annotations

import re

_TLD = (
    "com org net edu gov mil int info biz name app dev io ai co me tv ly gg xyz site online shop store tech blog cloud "
    "news wiki live club page link uk us ca au nz ie de fr es it nl be ch at dk se no fi pl cz ru ua jp cn kr in br mx "
    "ar cl za eg il tr gr pt hu ro sg hk tw th my id ph vn eu asia test example local"
)
_FILE = (
    "txt pdf doc docx xls xlsx ppt pptx odt ods odp rtf csv tsv json jsonl xml yaml yml toml ini cfg conf log md rst tex "
    "html htm css js jsx ts tsx php asp py pyc ipynb java class jar rb rs go c h cpp hpp cs swift kt sh bash bat cmd ps1 "
    "sql db exe dll so dmg pkg deb rpm apk iso img zip tar gz tgz bz2 xz rar 7z png jpg jpeg gif bmp tiff tif svg webp ico "
    "psd mp3 wav flac ogg opus m4a aac mp4 avi mkv mov wmv webm srt vtt epub mobi ttf otf woff parquet onnx pt bin bak tmp"
)
_HOST = rf"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?\.){{1,8}}(?:{_TLD.replace(' ', '|')})(?![\w-]|\.\w)"
_TAIL = r"(?::\d{1,5}(?!\d))?(?:[/?#][^\s<>\"“”«»]{0,2000})?"
_ADDRESS = re.compile(
    r"(?P<url>(?:[A-Za-z][A-Za-z0-9+.-]{1,12}://|www\.|mailto:)[^\s<>\"“”«»]{1,2000})"
    r"|(?P<mail>[A-Za-z0-9][\w.+%-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})"
    rf"|(?P<host>{_HOST}{_TAIL})"
    rf"|(?P<file>(?:[\w-]{{1,100}}\.){{1,4}}(?:{_FILE.replace(' ', '|')})(?!\w|[.-]\w))"
    r"|(?P<path>(?:~|(?<!\.)\.{1,2})(?:/[\w.-]{0,100}[A-Za-z_][\w.-]{0,100})/?|(?:~|(?<!\.)\.{1,2})?(?:/[\w.-]{0,100}[A-Za-z_][\w.-]{0,100}){2,20}/?|[A-Za-z]:\\[^\s<>\"|?*]{1,500})"
    r"|(?P<mac>[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5})(?![\w:])"
    r"|(?P<ipv6>(?:[0-9A-Fa-f]{1,4}:){2,7}(?::?[0-9A-Fa-f]{1,4})(?![\w:])|(?:[0-9A-Fa-f]{1,4}:){1,6}:(?:[0-9A-Fa-f]{1,4})?(?![\w:]))"
    r"|(?P<ip>(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}(?![\d.]\d|\d)(?:[:/]\d{1,5})?)",
    re.ASCII,
)
_ENDS = ".,;:!?)]}'\"’*_"


def find_address(text: str, start: int) -> tuple[str, int] | None:
    """The address that begins at `start`: its kind and where it ends; None for none."""
    match = _ADDRESS.match(text, start)
    if match is None:
        return None
    kind = match.lastgroup or ""
    end = match.end()
    if kind == "ipv6" and "::" not in match[0] and (match[0].isdecimal() or match[0].count(":") < 7):
        return None
    if kind == "file" and end - start < 5 and text[end : end + 1] == ".":
        return None  # an abbreviation, such as "s.c."
    if kind in ("url", "host", "mail", "path"):
        while end > start and text[end - 1] in _ENDS:
            if text[end - 1] == ")" and text.count("(", start, end) >= text.count(")", start, end):
                break
            end -= 1
        if kind == "host" and _is_sentence_end(text, start, end):
            return None
    return kind, end


def _is_sentence_end(text: str, start: int, end: int) -> bool:
    """Whether it is two sentences without a space, as in "He left.In time": the second begins with a capital."""
    head, _, tail = text[start:end].rpartition(".")
    return "/" not in tail and tail[:1].isupper() and tail[1:].islower() and "." not in head
