"""Job files: what is accepted, and what a person is told about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import speechmill
from speechmill.errors import SpecError
from speechmill.jobs.service.spec import ServiceSpec
from speechmill.jobs.spec.job import JobSpec

MINIMAL: dict[str, Any] = {"input": {"uri": "a.csv"}, "output": {"uri": "out"}}
CONFIGS = sorted((Path(speechmill.__file__).parent / "configs").glob("*.yaml"))


def parse(**sections: Any) -> JobSpec:
    return JobSpec.parse({**MINIMAL, **sections})


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_in_the_repository_loads(path: Path) -> None:
    if path.stem == "service":
        assert ServiceSpec.load(path) == ServiceSpec()  # it shows the defaults
    else:
        assert JobSpec.load(path).input.uri


def test_a_minimal_job_has_defaults() -> None:
    spec = parse()
    assert spec.model.name == "hibari"
    assert spec.model.batch_size == "auto_max"
    assert spec.output.container == "files"
    assert spec.cluster.replicas == "auto"


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"modle": {}}, '"modle" is not a key; did you mean "model"?'),
        ({"model": {"batchsize": 4}}, '"model.batchsize" is not a key; did you mean "model.batch_size"?'),
        ({"output": {"uri": "o", "s3": {"endpoint": "x"}}}, 'did you mean "output.s3.endpoint_url"?'),
        ({"output": {}}, '"output.uri" is missing'),
        ({"model": {"batch_size": 0}}, "model.batch_size is 0"),
        ({"model": {"batch_size": "max"}}, 'model.batch_size is "max"'),
        ({"output": {"uri": "o", "sample_rate": 100}}, "output.sample_rate is 100"),
        ({"output": {"uri": "o", "loudness_lufs": 3}}, "output.loudness_lufs is 3"),
        ({"output": {"uri": "o", "trim_silence": True}}, "output.trim_silence is true: must not be true or false"),
        ({"output": {"uri": "o", "container": "zip"}}, "'files', 'webdataset' or 'parquet'"),
        ({"cluster": {"replicas": -1}}, "cluster.replicas is -1"),
        ({"cluster": {"gpus_per_replica": 1.5}}, "a share of one GPU (0.5), a whole number, or auto"),
        ({"cluster": {"address": "http://head"}}, "must be local, auto, ray://host:port or host:port"),
        ({"cluster": {"address": "head"}}, "must be local, auto, ray://host:port or host:port"),
        ({"failure": {"max_failed_rows": -1}}, "failure.max_failed_rows is -1"),
        ({"seed": 2**63}, "seed is 9223372036854775808"),
        ({"input": {"uri": ""}}, "must name at least one file"),
        ({"input": {"uri": []}}, "must name at least one file"),
        ({"input": 3}, "input is 3"),
        ({"input": {"uri": "a", "delimiter": ";;"}}, 'input.delimiter is ";;": must be one character'),
        ({"input": {"uri": "a", "delimiter": ""}}, "must be one character"),
        ({"input": {"uri": "a", "delimiter": "x"}}, "must be one character"),
        ({"input": {"uri": "a", "delimiter": '"'}}, "must be one character"),
        ({"input": {"uri": "a", "header": False}}, "header: false needs the names of the columns"),
        ({"input": {"uri": "a", "columns": ["text"]}}, "add header: false, or leave it out"),
        ({"input": {"uri": "a", "header": False, "columns": ["a", "a"]}}, "none empty and none twice"),
        ({"input": {"uri": "a", "header": False, "columns": []}}, "none empty and none twice"),
        ({"input": {"uri": "a", "header": False, "columns": ["a", " "]}}, "none empty and none twice"),
        ({"input": {"uri": "a", "format": "ljspeech", "header": True}}, "format: ljspeech has no header"),
        ({"input": {"uri": "a", "format": "jsonl", "delimiter": ";"}}, "delimiter is for csv and tsv"),
        ({"input": {"uri": "a", "format": "ljspeach"}}, "'ljspeech'"),
        ({"input": {"uri": "https://u:p@host/a.csv"}}, "must not hold credentials"),
        ({"input": {"uri": "https://host/a.csv?x=1&X-Amz-Signature=abc"}}, "must not hold credentials"),
        ({"input": {"uri": "https://host/a.csv?access_token=abc"}}, "must not hold credentials"),
    ],
)
def test_a_wrong_key_is_named_with_what_to_do(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(**sections)
    assert message in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_a_signature_is_not_shown() -> None:
    with pytest.raises(SpecError) as caught:
        parse(input={"uri": "https://host/a.csv?sig=abc123&x=1"})
    assert "abc123" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        {"uri": "a.csv", "header": False, "columns": ["id", "text"], "delimiter": "|"},
        {"uri": "a.csv", "format": "ljspeech"},
        {"uri": "a.csv", "format": "filelist", "columns": ["path", "text"], "header": False},
        {"uri": "hf://datasets/owner/name@main/data/*.parquet"},
        {"uri": "https://host/a.csv?download=true&token_count=3"},
    ],
)
def test_layouts_and_places(source: dict[str, Any]) -> None:
    spec = parse(input=source)
    assert JobSpec.parse(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize("given", ["tab", "\t", "\\t"])
def test_a_tab_may_be_spelt(given: str) -> None:
    assert parse(input={"uri": "a.csv", "delimiter": given}).input.delimiter == "\t"


def test_a_wrong_value_is_told_once_however_many_types_it_could_have_been() -> None:
    with pytest.raises(SpecError) as caught:
        parse(model={"batch_size": "max"})
    assert str(caught.value).count("model.batch_size is") == 1


def test_all_wrong_keys_are_named_at_once() -> None:
    with pytest.raises(SpecError, match=r"modle.*sead|sead.*modle"):
        parse(modle={}, sead=1)


def test_overrides_replace_nested_values(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(MINIMAL), encoding="utf-8")
    spec = JobSpec.load(path, ["model.batch_size=16", "cluster.replicas=2", "output.uri=s3://bucket/x", "seed=7"])
    assert (spec.model.batch_size, spec.cluster.replicas, spec.output.uri, spec.seed) == (16, 2, "s3://bucket/x", 7)


@pytest.mark.parametrize("override", ["model", "=3", "model..x=1", "seed.x=1", "model.batch_size=[1"])
def test_a_malformed_override_is_refused(tmp_path: Path, override: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump({**MINIMAL, "seed": 1}), encoding="utf-8")
    with pytest.raises(SpecError, match="--set"):
        JobSpec.load(path, [override])


@pytest.mark.parametrize(
    "content",
    [
        b"input: [",
        b"- a\n- b\n",
        b"",
        b"\xff\xfe",
        b"!!python/object/apply:os.system ['true']",
        b"[" * 1_000,
    ],
)
def test_a_file_that_is_no_job_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "job.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=r"job\.yaml"):
        JobSpec.load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        JobSpec.load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("allowed", "num_failed", "num_rows", "is_allowed"),
    [(0, 0, 0, True), (0, 1, 10, False), (3, 3, 10, True), (3, 4, 10, False), (0.1, 1, 10, True), (0.1, 2, 10, False)],
)
def test_the_allowance_is_a_count_or_a_share(allowed: float, num_failed: int, num_rows: int, is_allowed: bool) -> None:
    assert parse(failure={"max_failed_rows": allowed}).failure.allows(num_failed, num_rows) is is_allowed
