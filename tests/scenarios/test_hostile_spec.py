"""Job files that nobody should have written: each ends in one line that names the file or the key, with status 2."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from speechmill.jobs.corpus.printable import printable
from speechmill.jobs.spec import yaml_reader as job_yaml
from speechmill.jobs.spec.yaml_reader import BadYaml, parse_yaml

Tell = Callable[..., str]

JOB = "input: {uri: FOLDER/corpus.csv}\nmodel: {name: tone}\noutput: {uri: FOLDER/out}\n"
LAUGHS = "a0: &a0 [lol]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
MERGED = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12))
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3_000))

FILES: dict[str, tuple[str | bytes | None, str]] = {
    "billion laughs": (LAUGHS, "unfolds to more than 100,000 values"),
    "billion laughs in a value": (LAUGHS + "seed: *a11\n", "unfolds to more than"),
    "billion merges": (MERGED, "unfolds to more than"),
    "a chain of aliases": (JOB + CHAIN, "job.yaml"),
    "a list that holds itself": (JOB + "x: &x [*x]\n", "a value holds itself (line 4)"),
    "a map that is its own key": ("? &x {*x : 1}\n: 2\n", "job.yaml"),
    "a python object": (JOB + "x: !!python/object/apply:os.system ['touch pwned']\n", "python/object/apply:os.system"),
    "a python name": (JOB + "x: !!python/name:os.system\n", "python/name:os.system"),
    "a tag of its own": (JOB + "x: !mine 3\n", "!mine"),
    "a key twice": (JOB + "seed: 1\nname: a\nseed: 2\n", 'the key "seed" comes twice (line 6)'),
    "a key twice, deep": (JOB + "text: {pause_s: 1, pause_s: 2}\n", 'the key "pause_s" comes twice'),
    "a number as key": (JOB + "1: 2\n", "job.yaml"),
    "a list as key": (JOB + "? [a, b]\n: 2\n", "unhashable key"),
    "null as key": (JOB + "~: 2\n", "job.yaml"),
    "a seed that is no number": (JOB + "seed: .nan\n", "seed is NaN"),
    "a seed beyond 64 bits": (JOB + "seed: 9223372036854775808\n", "seed is 9223372036854775808"),
    "a number of five thousand digits": (JOB + f"seed: {'9' * 5_000}\n", "job.yaml"),
    "true as seed": (JOB + "seed: true\n", "seed is true: must not be true or false"),
    "yes as replicas": (JOB + "cluster: {replicas: yes}\n", "cluster.replicas is true"),
    "an infinite share": (JOB + "failure: {max_failed_rows: .inf}\n", "failure.max_failed_rows"),
    "a negative size": (JOB + "sharding: {window_rows: -1}\n", "sharding.window_rows is -1"),
    "a section that is a list": (JOB + "sharding: [1, 2]\n", "sharding is [1, 2]"),
    "a section that is a text": (JOB + "cluster: local\n", 'cluster is "local"'),
    "a date": (JOB + "name: 2024-05-01\n", 'name is "2024-05-01"'),
    "a date that is none": (JOB + "name: 2024-13-45\n", "month must be in 1..12"),
    "bytes": (JOB + "name: !!binary /w==\n", "name is"),
    "a set": (JOB + "input: !!set {a, b}\n", "job.yaml"),
    "a tab": ("input:\n\turi: a.csv\n", "cannot start any token (line 2)"),
    "an unknown key": (JOB + "modle: {}\n", 'did you mean "model"?'),
    "a thousand unknown keys": (JOB + "".join(f"k{n}: 1\n" for n in range(1_000)), "and 980 more"),
    "a key of 200 kB": (JOB + f"{'k' * 900}: 1\n? {'k' * 200_000}\n: 1\n", "job.yaml"),
    "an escape as key": (JOB + '"\\e[31mred\\nline": 1\n', "\\x1b[31mred\\nline"),
    "half a surrogate as name": (JOB + 'name: "\\uD800"\n', "name"),
    "infinity as option": (JOB.replace("tone", "tone, options: {audio_char_s: .inf}"), "audio_char_s"),
    "a list as option": (JOB.replace("tone", "tone, options: {max_length: [1]}"), "max_length"),
    "a class that is none": (JOB.replace("tone", "os:system"), "os:system"),
    "a class of no module": (JOB.replace("tone", "no.such.module:X"), "no.such.module"),
    "a binary file": (bytes(range(256)) * 50, "is not UTF-8"),
    "UTF-16": ("input: {uri: a.csv}\n".encode("utf-16"), "byte 0xFF at byte 1 is not UTF-8"),
    "latin-1": (JOB.encode() + b"name: caf\xe9\n", "is not UTF-8"),
    "NUL": (JOB + "name: a\0b\n", "job.yaml"),
    "nothing": (b"", "must hold keys"),
    "only a comment": ("# nothing\n", "must hold keys"),
    "two documents": (JOB + "---\n" + JOB, "but found another document"),
    "brackets without end": ("[" * 1_000, "nested too deeply"),
    "maps without end": ("{a: " * 50_000, "nested too deeply"),
    "100 MB": (None, "is longer than 262,144 bytes"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_job_file_is_one_line(tmp_path: Path, tell: Tell, name: str) -> None:
    content, told = FILES[name]
    (tmp_path / "corpus.csv").write_text("text\nHello.\n", encoding="utf-8")
    path = tmp_path / "job.yaml"
    if content is None:
        with path.open("wb") as file:
            file.write(b"name: x # ")
            os.truncate(path, 100 << 20)
    else:
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(data.replace(b"FOLDER", str(tmp_path).encode()))
    tell("plan", str(path), names=(told,))


SECRETS = {
    "in input.uri": ("input.uri=s3://AKIA:hunter2@bucket/a.csv", "input.uri"),
    "with a slash": ("input.uri=s3://AKIA:se/hunter2@bucket/a.csv", "input.uri"),
    "in a list": ("input.uri=[a.csv, 's3://AKIA:hunter2@bucket/a.csv']", "input.uri"),
    "in output.uri": ("output.uri=s3://AKIA:hunter2@bucket/out", "output.uri"),
    "cut off": ("output.uri=s3://AKIA:hunter2", "output.uri"),
    "in an endpoint": ("output.s3.endpoint_url=https://user:hunter2@minio:9000", "output.s3.endpoint_url"),
    "in the input's endpoint": ("input.s3.endpoint_url=https://hunter2@minio:9000", "input.s3.endpoint_url"),
    "in a cluster's address": ("cluster.address=ray://user:hunter2@head:10001", "cluster.address"),
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_in_an_address_is_refused_and_not_repeated(tmp_path: Path, tell: Tell, name: str) -> None:
    override, key = SECRETS[name]
    path = tmp_path / "job.yaml"
    path.write_text(JOB.replace("FOLDER", str(tmp_path)), encoding="utf-8")
    tell("plan", str(path), "--set", override, names=(key,))
    tell("run", str(path), "--set", override, names=(key,))
    assert not (tmp_path / "out").exists()


def test_a_line_that_is_no_yaml_is_not_repeated(tmp_path: Path, tell: Tell) -> None:
    """The parser's own message quotes it."""
    path = tmp_path / "job.yaml"
    path.write_text('input: {uri: a.csv}\nkey: "hunter2" hunter2\n', encoding="utf-8")
    tell("plan", str(path), names=("(line 2)",))


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("seed=" + "[\n" * 900, "--set seed: the value is not valid YAML (its values are nested too deeply)"),
        ("seed=&a [*a]", "a value holds itself"),
        ("seed=!!python/object/apply:os.system [x]", "--set seed"),
        ("seed.x.y=1", "seed"),
        ("input.uri=a\nb: c", "--set"),
        ('input.uri="a\\nb.csv"', 'input.uri is "a\\nb.csv": must not hold control characters'),
        ('output.uri="a\\0b"', "output.uri"),
        ("\x1b[31m=1", "\\x1b[31m"),
        ("input.uri=/dev/zero", "/dev/zero is no regular file"),
        ("input.uri=/proc/self/mem", "/proc/self/mem"),
    ],
)
def test_a_hostile_override_is_one_line(tmp_path: Path, tell: Tell, override: str, told: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(JOB.replace("FOLDER", str(tmp_path)) + "seed: 1\n", encoding="utf-8")
    (tmp_path / "corpus.csv").write_text("text\nHello.\n", encoding="utf-8")
    tell("plan", str(path), "--set", override, names=(told,))


@pytest.mark.parametrize("name", ["no.yaml", ".", "x" * 300, "loop.yaml", "loop.yaml/x", "a\0b"])
def test_a_path_that_is_no_file_is_one_line(tmp_path: Path, tell: Tell, name: str) -> None:
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    tell("plan", f"{tmp_path}/{name}", names=(str(tmp_path),))


def test_aliases_and_merge_keys_of_sane_size_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_yaml, "MAX_NODES", 100)
    text = "base: &base {a: 1, b: 2}\nother: {<<: *base, b: 3}\nlist: [*base, *base]\n"
    assert parse_yaml(text)["other"] == {"a": 1, "b": 3}
    assert parse_yaml("[" + "x, " * 99 + "]") == ["x"] * 99
    with pytest.raises(BadYaml, match="more than 100 values"):
        parse_yaml("[" + "x, " * 100 + "]")


@pytest.mark.parametrize("text", ["", "plain", "naïve 你好", "\ud800\n\x1b[31m\u202e", "x" * 2_000, "\n" * 2_000])
def test_what_is_printable_is_short_and_can_be_written(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) <= 1_000
    assert shown.encode().decode() == shown
    assert shown == text or not text.isprintable() or len(text) > 1_000
