"""Where the published files are, and how each is recognised.

Guarantees nothing about a file: `weights` compares. Revisions and hashes are quoted from several others who had the
files; they were not seen by those who wrote this. The network's weights are licensed CC BY-NC 4.0, the vocoder's MIT.
This package holds neither.
"""

from __future__ import annotations

REPOSITORY, REVISION = "SWivid/F5-TTS", "84e5a410d9cead4de2f847e7c9369a6440bdfaca"
WEIGHTS_FILE, VOCABULARY_FILE = "F5TTS_v1_Base/model_1250000.safetensors", "F5TTS_v1_Base/vocab.txt"
VOCODER_REPOSITORY, VOCODER_REVISION = "charactr/vocos-mel-24khz", "0feb3fdd929bcd6649e0e7c5a688cf7dd012ef21"
VOCODER_FILE = "pytorch_model.bin"

QUOTED = {
    WEIGHTS_FILE: "670900fd14e6c458b95da6e9ed317cdb20dbaf7a1c02ac06a05475a9d32b6a38",
    VOCABULARY_FILE: "2a05f992e00af9b0bd3800a8d23e78d520dbd705284ed2eedb5f4bd29398fa3c",
    VOCODER_FILE: "97ec976ad1fd67a33ab2682d29c0ac7df85234fae875aefcc5fb215681a91b2a",
}
"""SHA-256 of the hub's files, as quoted."""
OLDER_BASE = "4180310f91d592cee4bc14998cd37c781f779cf105e8ca8744d9bd48ca7046ae"
"""SHA-256, as quoted, of the base before v1: its shapes are the same, its network is not."""
