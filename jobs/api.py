"""What a developer calls: `Job(...).run()`. The command line does the same through the same door."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .plan import Plan, plan
from .result import Result
from .spec import JobSpec

if TYPE_CHECKING:
    from .run import Observer


class Job:
    """A synthesis job. The keyword arguments are the sections of a job file, as plain dicts.

    speechmill.Job(input={"uri": "corpus.csv"}, output={"uri": "speech"}).run()
    """

    def __init__(
        self,
        *,
        input: Mapping[str, Any],
        output: Mapping[str, Any],
        **sections: Any,
    ) -> None:
        """Check the job. Raises SpecError, naming every wrong key."""
        self.spec = JobSpec.parse({"input": input, "output": output, **sections})

    @classmethod
    def load(cls, path: str | Path, overrides: list[str] | None = None) -> Self:
        """A job from a YAML file; `overrides` are like "model.batch_size=16". Raises SpecError."""
        return cls.of(JobSpec.load(path, overrides))

    @classmethod
    def of(cls, spec: JobSpec) -> Self:
        """A job from a specification that is already checked."""
        job = cls.__new__(cls)
        job.spec = spec
        return job

    def plan(self, *, measure: bool = False) -> Plan:
        """Read the corpus and say what the job would do; starts nothing. Raises JobError.

        measure   load the model in this process and measure what its batches cost, unless that is known
        """
        return plan(self.spec, measure=measure)

    def run(self, *, overwrite: bool = False, observe: Observer | None = None, trace: str | None = None) -> Result:
        """Run the job here or on its cluster, or continue it; blocks until every row is spoken or failed.

        overwrite   delete what the output holds and start anew
        observe     called with a `Snapshot` about twice a second
        trace       a file for what each replica spoke when, which chrome://tracing and Perfetto open
        Raises JobError before any replica starts, RunStopped when the run cannot go on (run again to continue).
        """
        from .driver import run  # Ray takes a second to import, and only a run needs it

        return run(self.spec, overwrite=overwrite, observe=observe, trace=trace)
