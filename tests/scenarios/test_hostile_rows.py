"""Rows that nobody should have written, in one corpus: whatever they hold, every row ends once, where it belongs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import speechmill
from speechmill.actors.records.manifest import decode_records
from speechmill.cluster.storage import open_storage

Tell = Callable[..., str]

pytestmark = pytest.mark.usefixtures("hosted_replicas")
IDS = [
    *("../../x", "../" * 200 + "etc/passwd", "/etc/passwd", "..", ".", "~root", "a/b", "a\\b", "a_b", "a b", "C:\\x"),
    *(
        "CON",
        "nul",
        "COM1.txt",
        "aux.flac",
        "x.tar",
        "x.json",
        ".hidden",
        ".lock.tmp",
        "-rf",
        "--checkpoint-action=exec=sh",
    ),
    *(
        "$(touch pwned)",
        "`touch pwned`",
        "{{7*7}}",
        "'; DROP TABLE x;",
        "<script>",
        "%2e%2e%2f",
        "*?[a]",
        "a%s%n",
    ),
    *("\u00e9", "e\u0301", "\ufb01", "fi", "\u212b", "\u00c5", "I", "\u0130", "i", "\u0131"),
    *(
        "\u202egpj.exe",
        "\u200b",
        "\ufeff",
        "\U000e0041",
        "\u0e49" * 50,
        "\U0001f600" * 1_000,
        "x" * 1_000_000,
        "x" * 999_999,
    ),
    *("row-000000005", "0", "-1", "1e9", "true", "null", "NaN", "None", " lead", "trail ", "\uffff"),
]
"""All of these are ids, and all differ."""
BAD_IDS = ["", "  ", "\u3000", "\u2028", "a\nb", "a\0b", "\x1b[31m", "\x7f", "../../x", ["list"], {"a": 1}, True, None]
TEXTS = [
    *("\u200b\u200b", "\u202e\u202d", "\u0301\u0301", "\x07\x08", "\ufeff", "\U000e0041", "\uffff", "\u2028 y \u2029"),
    *("[uv_break] [laugh_0] [spk_emb] [Stts] [Ptts] [empty_spk]", "<speak>&amp;</speak>", "{v1}{{x}}%s%n", "..", "()"),
    *("." * 19_999, "(" * 19_999, "Mr. " * 4_999, '"' * 19_999, "a." * 9_999, "1," * 9_999, "\U0001f600" * 5_000),
    *(
        "word " * 3_999,
        "\n" * 999 + "x",
        " \t" * 999 + "x",
        "z\u0300\u0301\u0302\u0303" * 900,
        "\u05d0\u202e\u0041" * 999,
    ),
]
"""Each of these is spoken, or fails with a reason."""
BAD_TEXTS = ["", "   ", "\u3000\n\t", "a\0b", "x" * 1_000_000, "word " * 200_000, None, True, ["x"], {"x": 1}]
NAMES = ["../x", "", "__proto__", "a\nb", "\x1b[31m", "\u202e", "id.flac", "x" * 10_000]


@pytest.fixture(scope="module")
def lines() -> list[str]:
    rows: list[dict[str, object]] = [{"id": name, "text": "Hello."} for name in IDS]
    rows += [{"id": name, "text": "Hello."} for name in BAD_IDS]
    rows += [{"id": f"text {at}", "text": text} for at, text in enumerate([*TEXTS, *BAD_TEXTS])]
    rows.append({"id": "metadata", "text": "Hello.", **dict.fromkeys(NAMES, "\u202e\x00\x1b[31m")})
    return [json.dumps(row) for row in rows] + ['{"id": "\\ud800", "text": "x"}', '{"id": "x", "text": "\\udfff"}', "{"]


@pytest.mark.parametrize("container", ["files", "webdataset", "parquet"])
def test_every_row_ends_once_and_where_it_belongs(tmp_path: Path, tell: Tell, lines: list[str], container: str) -> None:
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    job = {
        "input": {"uri": f"{tmp_path}/corpus.jsonl"},
        "model": {"name": "tone", "options": {"audio_char_s": 0.0005}},
        "output": {"uri": f"{tmp_path}/out", "container": container},
        "cluster": {"replicas": 1},
    }
    (tmp_path / "job.yaml").write_text(json.dumps(job), encoding="utf-8")
    tell("run", f"{tmp_path}/job.yaml", status=1)
    tell("run", f"{tmp_path}/job.yaml", status=1)  # the second run says the same
    tell("verify", f"{tmp_path}/out", status=0, names=("complete",))

    storage = open_storage(f"{tmp_path}/out")
    keys = [entry.key for entry in storage.list()]
    assert all(re.fullmatch(r"[A-Za-z0-9_./-]+", key) and ".." not in key for key in keys), keys
    found = [r for key in keys if key.startswith("manifest/") for r in decode_records(storage.get(key), key)]
    records = sorted(found, key=lambda record: record.row)
    assert [record.row for record in records] == list(range(len(lines)))
    ok = [record.status == "ok" for record in records]
    assert [record.id for record in records[: len(IDS)]] == IDS
    assert all(ok[: len(IDS)]), [r.error for r in records[: len(IDS)] if r.error]
    assert not any(ok[len(IDS) : len(IDS) + len(BAD_IDS)])
    first = len(IDS) + len(BAD_IDS) + len(TEXTS)
    assert not any(ok[first : first + len(BAD_TEXTS)])
    assert ok[-4:] == [True, False, False, False]
    assert records[-4].metadata.keys() == set(NAMES)
    assert all(record.error and len(record.error) < 2_000 for record in records if record.status == "failed")

    clips = {str(clip.id): clip for clip in speechmill.read(f"{tmp_path}/out")}
    assert clips.keys() == {record.id for record in records if record.status == "ok"}
    assert set(IDS) <= clips.keys()
