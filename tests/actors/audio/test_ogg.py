"""The Ogg serial number, against the checksums that libogg itself wrote."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from speechmill.actors.audio.encoding import decode
from speechmill.actors.audio.ogg import checksum, with_serial


def stream() -> bytes:
    buffer = io.BytesIO()
    samples = np.sin(np.arange(60000) / 20)
    soundfile.write(buffer, samples, 24000, format="OGG", subtype="OPUS")
    return buffer.getvalue()


def test_checksum_is_the_one_that_libogg_wrote() -> None:
    data = stream()
    end = data.index(b"OggS", 4)
    page = data[:end]
    assert checksum(page[:22] + bytes(4) + page[26:]) == int.from_bytes(page[22:26], "little")


def test_a_stream_under_its_own_serial_is_unchanged() -> None:
    data = stream()
    assert with_serial(data, int.from_bytes(data[14:18], "little")) == data


def test_another_serial_decodes_to_the_same_samples() -> None:
    data = stream()
    changed = with_serial(data, 7)
    assert changed[14:18] == b"\x07\0\0\0"
    assert np.array_equal(decode(changed)[0], decode(data)[0])


@pytest.mark.parametrize("data", [b"x", b"RIFF" + bytes(60), stream()[:-1], stream() + b"OggS"])
def test_what_is_no_whole_stream_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="whole Ogg page"):
        with_serial(data, 0)
