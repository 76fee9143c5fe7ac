"""What a developer calls: `Job(...).run()`. The command line does the same through the same door."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .dry_run.dry_run import Plan, plan
from .run.result import Result
from .spec.job import JobSpec

if TYPE_CHECKING:
    from .preview.preview import TextPreview
    from .run.run import Observer
    from .submission.handle import SubmittedJob

logger = logging.getLogger(__name__)


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
        """Check the job.

        Raises:
            SpecError: A key is wrong; the message names every one
        """
        self.spec = JobSpec.parse({"input": input, "output": output, **sections})

    @classmethod
    def load(cls, path: str | Path, overrides: list[str] | None = None) -> Self:
        """A job from a YAML file; `overrides` are like "model.batch_size=16".

        Raises:
            SpecError: The job is wrong; the message names the key
        """
        return cls.of(JobSpec.load(path, overrides))

    @classmethod
    def of(cls, spec: JobSpec) -> Self:
        """A job from a specification that is already checked."""
        job = cls.__new__(cls)
        job.spec = spec
        return job

    def plan(
        self, *, measure: bool = False, update: bool = False, retry_failed: bool = False, rows: str | None = None
    ) -> Plan:
        """Read the corpus and say what the job would do; starts nothing.

        Args:
            measure: Load the model in this process and measure what its batches cost, unless that is known
            update: Compare the output with the corpus, and plan what `run` with `update` would do; also the manifests
                are read
            retry_failed: As for `run`
            rows: As for `run`

        Raises:
            JobError: The job cannot be done as asked; the message says what to do
        """
        from .run.update import Update

        how = Update.asked(update=update, retry_failed=retry_failed, rows=rows)
        return plan(self.spec, measure=measure, update=how)

    def text(self, rows: int = 20) -> list[TextPreview]:
        """What would be said of the first rows: spoken form, segments, tokens, what is left out, seconds.

        Loads the model in this process and speaks nothing.

        Raises:
            JobError: The job cannot be done as asked; the message says what to do
        """
        from .preview.preview import preview

        return list(preview(self.spec, rows))

    def run(
        self,
        *,
        overwrite: bool = False,
        repair: bool = False,
        update: bool = False,
        retry_failed: bool = False,
        rows: str | None = None,
        observe: Observer | None = None,
        trace: str | None = None,
    ) -> Result:
        """Run the job here or on its cluster, or continue it; blocks until every row is spoken or failed.

        Args:
            overwrite: Start anew; what the output holds counts for nothing from then on, and is deleted
            repair: Verify the output first, and speak again what it has lost or holds damaged
            update: Continue an output whose corpus has changed: rows whose id, text, voice, seed and speed are as
                before keep their clips, the others are spoken, and rows that are gone leave the manifests
            retry_failed: Speak the rows again that failed while they were spoken
            rows: A file of ids, one a line, or of JSON lines with an id each: of an update, no other rows are spoken.
                If others have changed too, it is refused. Where a line has a `seed`, its row is spoken with that one
            observe: Called with a `Snapshot` about twice a second
            trace: A file for what each replica spoke when, which chrome://tracing and Perfetto open

        Raises:
            JobError: The job is wrong; no replica was started
            RunStopped: If the run cannot go on (run again to continue)
            OutputDamaged: If a complete output has lost something and `repair` is not asked for
        """
        from .run.update import Update

        how = Update.asked(update=update, retry_failed=retry_failed, rows=rows, overwrite=overwrite)
        from .run.driver import run  # Ray takes a second to import, and only a run needs it

        return run(self.spec, overwrite=overwrite, repair=repair, update=how, observe=observe, trace=trace)

    def submit(
        self,
        address: str | None = None,
        *,
        id: str | None = None,
        overwrite: bool = False,
        repair: bool = False,
        update: bool = False,
        retry_failed: bool = False,
        rows: str | None = None,
        installed: bool = False,
        entrypoint_num_cpus: float | None = None,
    ) -> SubmittedJob:
        """Send the job to a Ray cluster and return at once; the same job again continues it.

        Args:
            address: The head's dashboard, http://head:8265; else RAY_API_SERVER_ADDRESS, else port 8265 here
            id: The job's id there; by default its name and six digits
            overwrite: As for `run`; so are `repair`, `update` and `retry_failed`
            rows: As for `run`; the file lies here, and what it says is sent along
            installed: Run the speechmill that the cluster has, send none
            entrypoint_num_cpus: Cores that Ray reserves for the driver; with any, it may run on another node than the
                head

        Raises:
            JobError: The job is wrong; nothing was sent
            OutputBusy: A job there writes the output
        """
        from .submission.driver_options import DriverOptions
        from .submission.submit import submit

        job, notes = submit(
            self.spec,
            address,
            id=id,
            options=DriverOptions(overwrite, repair, update, retry_failed, rows),
            installed=installed,
            entrypoint_num_cpus=entrypoint_num_cpus,
        )
        for note in notes:
            logger.warning("%s", note)
        return job
