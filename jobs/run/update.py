"""The claim of a run over an output whose corpus has changed, or that an update has made.

Guaranteed: what counts on was compared with the corpus row by row before the claim, and what lands in between does not
count. The state before the update is kept until it is swept. A run that continues an update compares anew: it needs no
plan of the run before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ...cluster.lease.lease import Lease
from ...errors import RunStopped, SpecError
from ..output.claim import Claim
from ..output.ledger import Ledger, list_manifests
from ..output.output_file import OutputFile
from ..output.plan_log import PlanLog, delete_plan
from ..update.comparison import Comparison, Retried, compare
from ..update.planner import UpdatePlanner
from ..update.rows_file import read_rows
from .prepare import ResolvedJob


@dataclass(frozen=True, slots=True)
class Update:
    """How an output is updated.

    Attributes:
        is_corpus_new: The corpus may have changed since the output was begun
        retry_failed: Speak the rows again that failed while they were spoken
        rows: Ids of the rows that may be spoken, with the seed that is to be spoken in place of the corpus's, if any;
            None: all rows
    """

    is_corpus_new: bool = True
    retry_failed: bool = False
    rows: Mapping[str, int | None] | None = None

    @classmethod
    def asked(
        cls, *, update: bool, retry_failed: bool, rows: str | None = None, overwrite: bool = False
    ) -> Update | None:
        """What options ask for; None if no update.

        Args:
            rows: A file of ids, see `read_rows`

        Raises:
            SpecError: The file of rows is wrong, or the options do not fit together
        """
        if overwrite and (update or retry_failed):
            raise SpecError("--overwrite begins the output anew, --update and --retry-failed go on with it: give one")
        if not (update or retry_failed):
            if rows is not None:
                raise SpecError("--rows limits --update or --retry-failed; give one of them too")
            return None
        return cls(is_corpus_new=update, retry_failed=retry_failed, rows=None if rows is None else read_rows(rows))

    @property
    def seeds(self) -> dict[str, int]:
        """By id, seeds in place of the corpus's."""
        return {name: seed for name, seed in (self.rows or {}).items() if seed is not None}

    @property
    def retried(self) -> Retried:
        return Retried(self.retry_failed, None if self.rows is None else frozenset(self.rows))


_NO_UPDATE = Update()


def compared(job: ResolvedJob, output: OutputFile, damaged: Iterable[str], update: Update | None) -> Comparison:
    """Compare an output with its corpus. Raises as `compare`, and JobChanged for rows that may not be spoken.

    Args:
        damaged: Keys of manifests whose rows are spoken again
        update: None if an update is continued, or its output repaired
    """
    update = update or _NO_UPDATE
    window_rows = job.spec.sharding.window_rows
    comparison = compare(
        job.corpus, job.storage, output, window_rows, damaged=damaged, retried=update.retried, seeds=update.seeds
    )
    if update.rows is not None:
        comparison.refuse_others(frozenset(update.rows))
    return comparison


def claim_update(
    job: ResolvedJob,
    output: OutputFile,
    lease: Lease,
    damaged: Iterable[str],
    update: Update | None,
    comparison: Comparison,
) -> tuple[ResolvedJob, PlanLog, Ledger, Claim, UpdatePlanner]:
    """Claim an output that was compared with its corpus. Arguments as those of `compared`.

    Raises:
        LeaseLost: Another run has claimed the output first
        RunStopped: The store lists less than it did when the output was compared
    """
    storage, spec = job.storage, job.spec
    updated = None if update is None else replace(job.job_file, earlier=output.updated_from)
    ledger = Ledger()
    claim = Claim.resume(
        storage,
        lease,
        output,
        damaged,
        lambda prefix: list_manifests(storage),
        ledger.add,
        only=comparison.whole,
        updated=updated,
    )
    if len(ledger) != len(comparison.whole):
        raise RunStopped(
            f"{storage.uri} lists {len(ledger)} of {len(comparison.whole)} manifests that it has listed before: the "
            "store lags behind, or they are gone. Run the same command again"
        )
    delete_plan(storage)  # of the first generation; updates have none
    planner = UpdatePlanner(comparison, job.cost, spec.sharding.limits(), spec.sharding.window_rows)
    return job, job.new_plan_log(), ledger, claim, planner
