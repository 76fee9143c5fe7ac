"""Where the published ChatTTS weights are, and how each file of them is recognised.

Guarantees nothing about a folder: `weights` compares. The weights are licensed CC BY-NC 4.0; this package holds none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .layout import CONFIG_FILE, PART_FILES, TOKENIZER_FILE

REPOSITORY = "2Noise/ChatTTS"
REVISION = "1a3c04a8b0651689bd9242fbb55b1f4b5a9aef84"


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """Length in bytes and SHA-256 (hexadecimal) of a file as it was published."""

    num_bytes: int
    sha256: str


PUBLISHED: Mapping[str, PublishedFile] = {
    file: PublishedFile(num_bytes, sha256)
    for file, num_bytes, sha256 in (
        (PART_FILES["gpt"], 853_423_872, "cd0806fd971f52f6a22c923ec64982b305e817bcc41ca83417fcf9141b984a0f"),
        (PART_FILES["embed"], 145_598_536, "2ff0be7134934155741b643b74e32fb6bf3eec41257984459b2ed60cdb4c48b0"),
        (PART_FILES["dvae"], 60_359_112, "1d0b044a8368c0513100a2eca98456b289e6be6a18b7a63be1bcaa315ea874d9"),
        (PART_FILES["decoder"], 103_694_920, "77aa55e0a977949c4733df3c6f876fa85860d3298cba63295a7bc6901729d4e0"),
        (PART_FILES["vocos"], 54_348_240, "07e5561491cce41f7f90cfdb94b2ff263ff5742c3d89339db99b17ad82cc3f44"),
        (CONFIG_FILE, 762, "0aaa1ecd96c49ad4f473459eb1982fa7ad79fa5de08cde2781bf6ad1f9a0c236"),
        (TOKENIZER_FILE, 448_604, "843838a64e121e23e774cc75874c6fe862198d9f7dd43747914633a8fd89c20e"),
    )
}
"""Every file that is read."""
