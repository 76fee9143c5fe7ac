"""Damages to an output, as disks, people and programs cause them: one at a time, drawn at random.

A damage changes the objects of a sound output in place. The tests find it.
"""

from __future__ import annotations

import io
import json
import random
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from speechmill.actors.records.manifest import content_digest
from speechmill.actors.records.part_name import PartName

Objects = dict[str, bytes]
Damage = Callable[[random.Random, Objects, str], None]
"""Changes objects in place, above all the one with this key; changes none if the damage does not apply."""

VALUES: list[Any] = [None, "", "x", 0, 1, -1, 2**62, 0.5, True, [], {}, {"a": 1}, "tone", "0" * 64, "audio/x"]


# Bytes of any object.


def flip_a_bit(draw: random.Random, objects: Objects, key: str) -> None:
    data = bytearray(objects[key])
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    objects[key] = bytes(data)


def cut_off(draw: random.Random, objects: Objects, key: str) -> None:
    objects[key] = objects[key][: draw.randrange(len(objects[key]))]


def go_on(draw: random.Random, objects: Objects, key: str) -> None:
    objects[key] += draw.choice([b"\0", b"\n", b"{}\n", bytes(512), objects[key]])


def lose_a_block(draw: random.Random, objects: Objects, key: str) -> None:
    """Zero a block, as in a file on a disk with a lost sector."""
    data, at = objects[key], draw.randrange(len(objects[key]))
    size = min(draw.choice([1, 16, 512]), len(data) - at)
    objects[key] = data[:at] + bytes(size) + data[at + size :]


def leave_out(draw: random.Random, objects: Objects, key: str) -> None:
    data, at = objects[key], draw.randrange(len(objects[key]))
    objects[key] = data[:at] + data[at + draw.choice([1, 7, 512]) :]


def empty(draw: random.Random, objects: Objects, key: str) -> None:
    objects[key] = b""


# Names of any object.


def drop(draw: random.Random, objects: Objects, key: str) -> None:
    del objects[key]


def rename(draw: random.Random, objects: Objects, key: str) -> None:
    objects[_other_name(draw, key)] = objects.pop(key)


def duplicate(draw: random.Random, objects: Objects, key: str) -> None:
    objects[_other_name(draw, key)] = objects[key]


def swap(draw: random.Random, objects: Objects, key: str) -> None:
    others = [other for other in objects if other.split("/")[0] == key.split("/", maxsplit=1)[0] and other != key]
    if others:
        other = draw.choice(others)
        objects[key], objects[other] = objects[other], objects[key]


def overwrite(draw: random.Random, objects: Objects, key: str) -> None:
    objects[key] = objects[draw.choice(sorted(objects))]


def _other_name(draw: random.Random, key: str) -> str:
    digits = [at for at, char in enumerate(key) if char.isdigit()]
    while True:
        at = draw.choice(digits or [len(key) - 1])
        other = key[:at] + draw.choice("0123456789abcdef") + key[at + 1 :]
        if other != key:
            return draw.choice([other, f"{key}.bak", f"{key.rpartition('/')[0]}/x{draw.randrange(99)}.tar"]).lstrip("/")


# Lines of JSON: manifests and texts.


def edit_a_field(draw: random.Random, objects: Objects, key: str) -> None:
    lines = _lines(objects, key)
    line = draw.choice(lines)
    name = draw.choice(sorted(line))
    line[name] = draw.choice([value for value in VALUES if value != line[name] or type(value) is not type(line[name])])
    _put_lines(objects, key, lines)


def swap_a_field(draw: random.Random, objects: Objects, key: str) -> None:
    lines = _lines(objects, key)
    one, other = draw.choice(lines), draw.choice(lines)
    name = draw.choice(sorted(one.keys() & other.keys()))
    one[name], other[name] = other[name], one[name]
    _put_lines(objects, key, lines)


def swap_the_audio(draw: random.Random, objects: Objects, key: str) -> None:
    lines = _lines(objects, key)
    one, other = draw.choice(lines), draw.choice(lines)
    for name in one.keys() & {
        "audio",
        "member",
        "audio_bytes",
        "audio_sha256",
        "num_samples",
        "duration_s",
        "pcm_sha256",
    }:
        one[name], other[name] = other[name], one[name]
    _put_lines(objects, key, lines)


def drop_a_field(draw: random.Random, objects: Objects, key: str) -> None:
    lines = _lines(objects, key)
    line = draw.choice(lines)
    del line[draw.choice(sorted(line))]
    _put_lines(objects, key, lines)


def drop_a_line(draw: random.Random, objects: Objects, key: str) -> None:
    lines = _lines(objects, key)
    lines.remove(draw.choice(lines))
    _put_lines(objects, key, lines)


def double_a_line(draw: random.Random, objects: Objects, key: str) -> None:
    lines = _lines(objects, key)
    lines.insert(draw.randrange(len(lines) + 1), draw.choice(lines))
    _put_lines(objects, key, lines)


def shuffle_lines(draw: random.Random, objects: Objects, key: str) -> None:
    lines = _lines(objects, key)
    draw.shuffle(lines)
    _put_lines(objects, key, lines)


def spell_lines_otherwise(draw: random.Random, objects: Objects, key: str) -> None:
    lines = [json.dumps(dict(reversed(line.items()))) + "\n" for line in _lines(objects, key)]
    objects[key] = "".join(lines).encode()


def _lines(objects: Objects, key: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in objects[key].splitlines()] or [{"": 0}]


def _put_lines(objects: Objects, key: str, lines: list[dict[str, Any]]) -> None:
    spelt = [json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines]
    objects[key] = "".join(spelt).encode()


def renamed(damage: Damage) -> Damage:
    """A damage to a manifest that also renames it to fit its new content; the root still has the old name."""

    def damage_and_rename(draw: random.Random, objects: Objects, key: str) -> None:
        damage(draw, objects, key)
        data = objects.pop(key)
        objects[replace(PartName.parse(key), content=content_digest(data)).key] = data

    damage_and_rename.__name__ = f"{damage.__name__}_and_rename"
    return damage_and_rename


# Tars.


def members_of(objects: Objects, key: str) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(objects[key])) as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]


def put_members(
    objects: Objects, key: str, members: list[tuple[str, bytes]], format: int = tarfile.USTAR_FORMAT
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for name, data in members:
            header = tarfile.TarInfo(name)
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    objects[key] = buffer.getvalue()


def edit_a_sidecar(draw: random.Random, objects: Objects, key: str) -> None:
    members = members_of(objects, key)
    at = draw.choice([at for at, (name, _) in enumerate(members) if name.endswith(".json")])
    told = json.loads(members[at][1])
    told[draw.choice([*told, "extra"])] = draw.choice([value for value in VALUES if value not in told.values()])
    members[at] = members[at][0], json.dumps(told).encode()
    put_members(objects, key, members)


def swap_members(draw: random.Random, objects: Objects, key: str) -> None:
    """Swap the contents of members; the names stay."""
    members = members_of(objects, key)
    ending = draw.choice([".json", members[0][0][-4:]])
    at = [at for at, (name, _) in enumerate(members) if name.endswith(ending)][:2]
    if len(at) == 2:
        (first, one), (second, other) = (members[place] for place in at)
        members[at[0]], members[at[1]] = (first, other), (second, one)
    put_members(objects, key, members)


def drop_a_member(draw: random.Random, objects: Objects, key: str) -> None:
    members = members_of(objects, key)
    members.pop(draw.randrange(len(members)))
    put_members(objects, key, members)


def add_a_member(draw: random.Random, objects: Objects, key: str) -> None:
    members = members_of(objects, key)
    new = draw.choice([("999999999-extra.flac", b"xyz"), draw.choice(members), ("x", b""), (members[0][0], b"other")])
    members.insert(draw.randrange(len(members) + 1), new)
    put_members(objects, key, members)


def shuffle_members(draw: random.Random, objects: Objects, key: str) -> None:
    members = members_of(objects, key)
    draw.shuffle(members)
    put_members(objects, key, members)


def pack_otherwise(draw: random.Random, objects: Objects, key: str) -> None:
    """Pack again with a time in each header, as `tar` does."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=draw.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])) as tar:
        for name, data in members_of(objects, key):
            header = tarfile.TarInfo(name)
            header.size, header.mtime = len(data), 1.5e9
            tar.addfile(header, io.BytesIO(data))
    objects[key] = buffer.getvalue()


# Tables.


def _table(objects: Objects, key: str) -> pa.Table:
    return pq.read_table(io.BytesIO(objects[key]))


def _put_table(objects: Objects, key: str, table: pa.Table) -> None:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    objects[key] = buffer.getvalue()


def edit_a_cell(draw: random.Random, objects: Objects, key: str) -> None:
    table = _table(objects, key)
    rows = table.to_pylist()
    row, name = draw.choice(rows), draw.choice(table.column_names)
    others: Mapping[type, list[Any]] = {
        str: ["", "x", None],
        int: [0, 7_777, None],
        float: [0.0, 0.25, None],
        dict: [None],
    }
    value = row[name]
    row[name] = draw.choice([other for other in others[type(value)] if other != value])
    if name == "audio":
        row[name] = value | draw.choice([{"path": "x.wav"}, {"bytes": b"x"}, {"bytes": value["bytes"] + b"\0"}])
    _put_table(objects, key, pa.Table.from_pylist(rows, schema=table.schema))


def edit_a_column(draw: random.Random, objects: Objects, key: str) -> None:
    table = _table(objects, key)
    name = draw.choice([name for name in table.column_names if name != "audio"])
    values = table.column(name).to_pylist()
    changed = values[1:] + values[:1] if len(set(values)) > 1 else [None] * len(values)
    at = table.column_names.index(name)
    _put_table(
        objects, key, table.set_column(at, table.schema.field(at), pa.array(changed, table.schema.field(at).type))
    )


def take_rows(draw: random.Random, objects: Objects, key: str) -> None:
    """Take some rows twice and some not at all, in another order."""
    table = _table(objects, key)
    rows = list(range(table.num_rows))
    taken = draw.choice([[*rows, *rows], [*rows, rows[0]], rows[1:], rows[:-1], rows[::-1], [rows[0]] * len(rows)])
    _put_table(objects, key, table.take(taken))


def change_columns(draw: random.Random, objects: Objects, key: str) -> None:
    table = _table(objects, key)
    name = draw.choice([name for name in table.column_names if name != "audio"])
    others = [
        table.append_column("extra", pa.array(["x"] * table.num_rows)),
        table.drop_columns([name]),
        table.rename_columns({name: f"{name}2"}),
        table.replace_schema_metadata({}),
        table.replace_schema_metadata({**(table.schema.metadata or {}), b"x": b"y"}),
        table.select(table.column_names[::-1]),
    ]
    _put_table(objects, key, draw.choice(others))


def write_table_again(draw: random.Random, objects: Objects, key: str) -> None:
    """Write the same table in other pages."""
    _put_table(objects, key, _table(objects, key))


# job.json.


def edit_job_json(draw: random.Random, objects: Objects, key: str) -> None:
    body = json.loads(objects[key])
    place: Any = body
    while True:
        name = draw.choice(sorted(place))
        if not isinstance(place[name], dict) or not place[name] or draw.random() < 0.2:
            break
        place = place[name]
    if draw.random() < 0.2:
        del place[name]
    else:
        place[name] = draw.choice([v for v in VALUES if v != place[name] or type(v) is not type(place[name])])
    objects[key] = json.dumps(body).encode()


def add_to_job_json(draw: random.Random, objects: Objects, key: str) -> None:
    body = json.loads(objects[key])
    place = draw.choice([body, body["commit"], body["spec"], body["identity"]])
    place["extra"] = draw.choice(VALUES)
    objects[key] = json.dumps(body).encode()


def spell_json_otherwise(draw: random.Random, objects: Objects, key: str) -> None:
    objects[key] = json.dumps(dict(reversed(json.loads(objects[key]).items()))).encode()


# What is not speechmill's.


def add_a_stranger(draw: random.Random, objects: Objects, key: str) -> None:
    folder = draw.choice(
        ["", "audio/", "text/", "manifest/", "manifest/000000/", "plan/", key.rpartition("/")[0] + "/"]
    )
    objects[f"{folder}{draw.choice(['notes.txt', 'x.tar', 'x.jsonl', '0.flac'])}".lstrip("/")] = b"mine"


BYTES = (flip_a_bit, flip_a_bit, flip_a_bit, cut_off, go_on, lose_a_block, leave_out, empty)
NAMES = (drop, rename, duplicate, swap, overwrite)
LINES = (
    *(edit_a_field, edit_a_field, swap_a_field, drop_a_field, drop_a_line, double_a_line, shuffle_lines),
    spell_lines_otherwise,
)
RENAMED = tuple(renamed(damage) for damage in (*LINES, swap_the_audio, flip_a_bit, cut_off))
MANIFEST = (*BYTES, *NAMES, *LINES, swap_the_audio)
TAR = (edit_a_sidecar, edit_a_sidecar, swap_members, drop_a_member, add_a_member, shuffle_members, pack_otherwise)
TABLE = (edit_a_cell, edit_a_cell, edit_a_column, take_rows, change_columns, write_table_again)
JOB = (
    *BYTES,
    drop,
    rename,
    overwrite,
    edit_job_json,
    edit_job_json,
    edit_job_json,
    add_to_job_json,
    spell_json_otherwise,
)
OTHERS = (flip_a_bit, cut_off, drop)


def damages_of(key: str, *, is_complete: bool) -> tuple[Damage, ...]:
    """The damages that apply to the object with this key.

    If an output is not complete, no root names the manifests of its last run. So a manifest counts if its name was
    forged to fit another content.
    """
    kind = key.split("/", maxsplit=1)[0]
    if kind == "manifest":
        return (*MANIFEST, *RENAMED) if is_complete else MANIFEST
    if kind == "text":
        return (*BYTES, *NAMES, *LINES, add_a_stranger)
    if kind == "audio":
        ending = {"tar": TAR * 2, "parquet": TABLE * 2}.get(key.rpartition(".")[2], ())
        return (*BYTES, *NAMES, *ending, add_a_stranger)
    return JOB if key == "job.json" else OTHERS
