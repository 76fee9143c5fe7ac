"""An export of many rows, from S3 to S3, takes the memory of one of few."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from support.rows_output import write_rows

from speechmill.cluster.storage import S3Options, open_storage

CHILD = """
import json, resource, sys
from speechmill.cluster.storage import S3Options, open_storage
from speechmill.jobs.export.export import ExportOptions, export
endpoint, source, target, to = sys.argv[1:]
options = S3Options(endpoint_url=endpoint)
result = export(open_storage(source, options), open_storage(target, options), ExportOptions(to, 16_000))
print(json.dumps([result.num_clips, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


@pytest.mark.soak
@pytest.mark.integration
@pytest.mark.parametrize("to", ["kaldi", "hf"])
def test_10_000_rows_on_s3_take_the_memory_of_1_000(to: str, s3_env: Any) -> None:
    options, bucket = S3Options(endpoint_url=s3_env.endpoint), s3_env.new_bucket()
    peaks = {}
    for num_rows in (1_000, 10_000):
        source = open_storage(f"s3://{bucket}/{num_rows}", options)
        write_rows(source, "webdataset", num_rows, num_shards=40)
        command = [sys.executable, "-c", CHILD, s3_env.endpoint, source.uri, f"{source.uri}-{to}", to]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        num_clips, peaks[num_rows] = json.loads(done.stdout)
        assert num_clips == num_rows - 1
    print(f"{to}: MiB at its peak, by rows: {peaks}")
    # A table of `hf` fills its buffers, which 1,000 short clips do not.
    assert peaks[10_000] < peaks[1_000] + 150
