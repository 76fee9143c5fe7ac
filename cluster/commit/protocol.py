"""Who may count, and who may delete: how drivers write one output, whichever of them are paused, late or thought dead.

Guaranteed, however late, often or seldom a request lands, and without asking for the lease: of all runs one counts at
a time; no shard counts twice; what counts stays, with its audio; a complete output stays complete until a claim over
that very root. A driver that was replaced finds out when its next root is refused, and what it still sends counts for
nothing: nothing that counts has a name that it writes, or may delete. The lease only saves work.

Each machine is a frozen value, in a file beside this one. `request` is the one operation that it waits for, None at its
end; `step` takes the answer and gives the machine that follows. It does nothing itself: the driver sends requests, and
may be stopped before and after each. An operation whose answer got lost may be sent again, as it stands.

    begin    root read -> put_if(root of the next run, which adopts nothing) -> answered -> sweep, while speaking
    resume   open root read -> manifests listed -> put_if(next run, which adopts what the list showed) -> answered
    repair   the same over a complete root; damaged manifests are not adopted
    update   the same over either; manifests that do not fit any more are not adopted, and the replaced state is kept
    forget   complete root read -> put_if(the same root, which keeps no replaced state)
    commit   audio landed -> text landed -> manifest
    complete all commits landed -> put_if(the same run, complete, with its own commits adopted)
    sweep    root read -> all that is adopted listed -> dead objects that nothing names deleted, page by page
    read     root read -> what counts listed and read; where something is missing, the root again

Rules 4 and 5 are of the data: the mark of completeness stands in the root itself (`Root.is_complete`), and the run in
every name (`Stamp`). Rules 6, 7 and 9 are `root.counts` and `root.is_dead`.
Rule 13: a manifest may name audio of an earlier run only if a manifest named it that the own root adopts or keeps,
and both are of one shard. So no sweep, however old its root, deletes audio that such a manifest names.
Not known here: stores, rows, and what else `job.json` holds (`RootFile.body`).
"""

from __future__ import annotations

from .claimed_run import Commit
from .claims import Resume
from .read import Read
from .sweep import Sweep
from .write_root import WriteRoot

Machine = WriteRoot | Resume | Commit | Sweep | Read
