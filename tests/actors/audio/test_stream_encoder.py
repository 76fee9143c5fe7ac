"""Audio that is encoded while it is made: one stream, however it is split, and playable from its first pieces."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from functools import cache

import numpy as np
import psutil
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speechmill.actors.audio.encoding import FORMATS
from speechmill.actors.audio.stream_encoder import LIVE_FORMATS, LiveEncoder, wav_header
from speechmill.errors import SpecError

EXACT = ("pcm", "wav", "flac")
RATES = {name: FORMATS[name].sample_rates if name in FORMATS else () for name in LIVE_FORMATS}
CODEC_DELAY = {"mp3": 1105}
"""Samples that a decoder gives before the first of the audio: LAME's 576, and 529 of every MP3 decoder."""


def speech(num_samples: int, seed: int = 0) -> NDArray[np.int16]:
    """A tone and noise, with silence before it and in it: what variable bit rates treat differently."""
    noise = np.random.default_rng(seed).standard_normal(num_samples)
    times = np.arange(num_samples) / 24000
    is_loud = (times % 0.4) > 0.15
    return (is_loud * (9000 * np.sin(2 * np.pi * 220 * times) + 800 * noise)).astype(np.int16)


def encoded(name: str, pieces: Sequence[NDArray[np.int16]], sample_rate: int = 24000) -> bytes:
    encoder = LiveEncoder(name, sample_rate)
    return b"".join([*(encoder.feed(piece) for piece in pieces), encoder.finish()])


def decoded(name: str, data: bytes) -> NDArray[np.int16]:
    """All that can be heard of a stream, or of its beginning.

    libsndfile reads a FLAC of unknown length to its end; soundfile's own `read` seeks there, and fails.
    """
    if name == "pcm":
        return np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2")
    samples = np.zeros(1 << 20, dtype=np.int16)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            pointer = soundfile._ffi.cast("short *", samples.ctypes.data)
            return samples[: soundfile._snd.sf_readf_short(file._file, pointer, len(samples))]
    except soundfile.SoundFileError:
        return samples[:0]  # not even the header is whole


def split(pcm: NDArray[np.int16], lengths: Sequence[int]) -> list[NDArray[np.int16]]:
    return np.split(pcm, np.minimum(np.cumsum(lengths), len(pcm)))


@pytest.mark.parametrize("name", LIVE_FORMATS)
@settings(deadline=None, max_examples=min(15, settings.default.max_examples))
@given(
    lengths=st.lists(st.one_of(st.integers(0, 50), st.integers(0, 3000)), max_size=20),
    num_samples=st.one_of(st.integers(0, 3), st.integers(0, 12000)),
    seed=st.integers(0, 9),
)
def test_any_split_gives_the_same_bytes(name: str, lengths: list[int], num_samples: int, seed: int) -> None:
    pcm = speech(num_samples, seed)
    assert encoded(name, split(pcm, lengths)) == encoded(name, [pcm])


@pytest.mark.parametrize("name", EXACT)
@settings(deadline=None, max_examples=min(30, settings.default.max_examples))
@given(values=st.lists(st.integers(-32768, 32767), max_size=300), sample_rate=st.sampled_from([8000, 24000, 96000]))
def test_lossless_streams_give_the_same_samples_back(name: str, values: list[int], sample_rate: int) -> None:
    pcm = np.array(values, dtype=np.int16)
    assert np.array_equal(decoded(name, encoded(name, [pcm], sample_rate)), pcm)


@pytest.mark.parametrize("name", LIVE_FORMATS)
@pytest.mark.parametrize("num_samples", [1, 7, 480, 4799, 24001])
def test_every_stream_keeps_length_and_rate_at_all_of_its_rates(name: str, num_samples: int) -> None:
    tolerance = FORMATS[name].tolerance_samples if name in FORMATS else 0
    for sample_rate in RATES[name] or (1, 8000, 11025, 24000, 48000):
        data = encoded(name, [speech(num_samples)], sample_rate)
        assert name == "pcm" or soundfile.info(io.BytesIO(data)).samplerate == sample_rate
        assert 0 <= len(decoded(name, data)) - num_samples <= tolerance


@pytest.mark.parametrize(("name", "held_ms"), [("pcm", 0), ("wav", 0), ("flac", 48), ("opus", 88), ("mp3", 128)])
@pytest.mark.parametrize("is_silent", [False, True])
def test_what_was_fed_is_heard_soon(name: str, held_ms: int, is_silent: bool) -> None:
    """A variable bit rate made MP3 hold back 656 ms of silence, and libsndfile's pages made Opus hold back a second."""
    pcm = speech(24000) * (not is_silent)
    encoder, sent = LiveEncoder(name, 24000), b""
    for start in range(0, len(pcm), 1200):
        sent += encoder.feed(pcm[start : start + 1200])
        num_heard = len(decoded(name, sent)) - CODEC_DELAY.get(name, 0)
        assert num_heard >= start + 1200 - held_ms * 24
    encoder.close()


@cache
def second(name: str) -> tuple[bytes, NDArray[np.int16]]:
    """A second of speech, encoded, and what is heard of it."""
    data = encoded(name, [speech(24000)])
    return data, decoded(name, data)


@pytest.mark.parametrize("name", LIVE_FORMATS)
@settings(deadline=None, max_examples=15)
@given(share=st.floats(0.3, 1))
def test_the_beginning_of_a_stream_sounds_like_the_stream(name: str, share: float) -> None:
    data, whole = second(name)
    beginning = decoded(name, data[: int(share * len(data))])
    assert len(beginning) > 0.2 * share * len(whole)
    sure = max(0, len(beginning) - 1152)  # the last frame may lack bits that lie in the next
    assert np.array_equal(beginning[:sure], whole[:sure])


@pytest.mark.parametrize("name", ["opus", "mp3"])
def test_lossy_streams_sound_alike(name: str) -> None:
    pcm = speech(24000)
    heard = decoded(name, encoded(name, [pcm]))[CODEC_DELAY.get(name, 0) :][: len(pcm)]
    assert np.corrcoef(pcm[: len(heard)], heard)[0, 1] > 0.9


@pytest.mark.parametrize("name", LIVE_FORMATS)
def test_a_million_samples_in_one_feed(name: str) -> None:
    pcm = np.zeros(1_000_000, dtype=np.int16)
    heard = decoded(name, encoded(name, [pcm]))
    assert 0 <= len(heard) - len(pcm) <= 2304
    assert not heard.any()


@pytest.mark.parametrize(("name", "num_bytes"), [("pcm", 0), ("wav", 44), ("flac", 86), ("opus", 0), ("mp3", 0)])
def test_no_samples_give_a_header_or_nothing(name: str, num_bytes: int) -> None:
    nothing = np.zeros(0, dtype=np.int16)
    for pieces in ([], [nothing], [nothing, nothing]):
        data = encoded(name, pieces)
        assert len(data) == num_bytes
        assert not len(decoded(name, data))


def test_headers_say_that_the_length_is_unknown() -> None:
    wav, flac = encoded("wav", [speech(5000)]), encoded("flac", [speech(5000)])
    assert wav[:44] == wav_header(24000)
    assert wav[4:8] == wav[40:44] == b"\xff" * 4
    assert flac[:4] == b"fLaC"
    assert flac[22:42] == bytes(20)  # STREAMINFO: the low 32 bits of the number of samples, and the MD5 sum
    assert not flac[21] & 0x0F


def test_an_mp3_has_no_frame_for_a_length() -> None:
    data = encoded("mp3", [speech(5000)])
    assert data[:2] == b"\xff\xf3"
    assert any(data[4:100])
    assert b"Info" not in data
    assert b"Xing" not in data


@pytest.mark.parametrize("name", LIVE_FORMATS)
def test_any_layout_of_int16_may_be_fed_and_nothing_else(name: str) -> None:
    pcm = speech(4000)
    expected = encoded(name, [pcm])
    assert encoded(name, [pcm.astype(">i2")]) == expected
    assert encoded(name, [np.stack([pcm, pcm], axis=1)[:, 0]]) == expected
    for other in (np.float32, np.int32):
        with LiveEncoder(name, 24000) as encoder, pytest.raises(TypeError, match="int16"):
            encoder.feed(pcm.astype(other))


def test_media_types() -> None:
    assert {name: LiveEncoder(name, 16000).mime for name in LIVE_FORMATS} == {
        "pcm": "audio/pcm;rate=16000;encoding=signed-int;bits=16",
        "wav": "audio/wav",
        "flac": "audio/flac",
        "opus": "audio/ogg",
        "mp3": "audio/mpeg",
    }


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SpecError, match=r"'aac' .* pcm, wav, flac, opus, mp3"):
        LiveEncoder("aac", 24000)


@pytest.mark.parametrize(
    ("name", "sample_rate", "allowed"),
    [
        *((name, rate, "") for name in LIVE_FORMATS for rate in (0, -8000, 2**31)),
        ("opus", 44100, "24000"),
        ("mp3", 96000, "48000"),
        ("flac", 65536, "multiples of 10 to 655350"),
        ("flac", 655360, "multiples of 10 to 655350"),
    ],
)
def test_a_rate_that_the_format_cannot_hold_is_refused(name: str, sample_rate: int, allowed: str) -> None:
    with pytest.raises(SpecError, match=rf"{name} cannot hold audio of {sample_rate} Hz \(.*{allowed}.*\)"):
        LiveEncoder(name, sample_rate)


@pytest.mark.parametrize("sample_rate", [1, 65535, 65540, 655350])
def test_flac_holds_odd_rates(sample_rate: int) -> None:
    assert np.array_equal(decoded("flac", encoded("flac", [speech(3000)], sample_rate)), speech(3000))


@pytest.mark.parametrize("name", LIVE_FORMATS)
def test_a_stream_that_has_ended_takes_nothing_more(name: str) -> None:
    finished, closed = LiveEncoder(name, 24000), LiveEncoder(name, 24000)
    finished.finish()
    closed.feed(speech(3000))
    for _ in range(2):
        closed.close()
    for encoder in (finished, closed):
        with pytest.raises(ValueError, match="has ended"):
            encoder.feed(speech(1))
        with pytest.raises(ValueError, match="has ended"):
            encoder.finish()
        encoder.close()


@pytest.mark.parametrize("name", LIVE_FORMATS)
def test_a_listener_may_go_while_another_thread_feeds(name: str) -> None:
    """Freed under the encoder's feet, libsndfile would crash the process."""
    encoder, has_fed = LiveEncoder(name, 24000), threading.Event()
    errors: list[ValueError] = []

    def feed() -> None:
        try:
            while True:
                encoder.feed(speech(2000))
                has_fed.set()
        except ValueError as error:
            errors.append(error)

    feeder = threading.Thread(target=feed)
    feeder.start()
    has_fed.wait()
    encoder.close()
    feeder.join()
    assert len(errors) == 1


def test_hundreds_of_streams_that_nobody_finished_leave_nothing() -> None:
    process = psutil.Process()
    num_files, num_threads = process.num_fds(), process.num_threads()
    for index in range(300):
        encoder = LiveEncoder(LIVE_FORMATS[index % 5], 24000)
        encoder.feed(np.ones(100, dtype=np.int16))
        if index % 2:
            encoder.close()
    assert process.num_fds() <= num_files
    assert process.num_threads() <= num_threads
