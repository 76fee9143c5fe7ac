"""The first file that runs in the cluster, by itself: it finds out whether speechmill can be imported there.

Guaranteed: what the head's Python lacks is said in a line, with exit status 2. Standard library only, and nothing that
an old Python does not understand: this file is what tells the user that it is old.
"""

from __future__ import annotations

import importlib
import sys

OLDEST = (3, 11)


def main(arguments: list[str]) -> int:
    """Run the driver on the job file that the arguments name; return the exit status."""
    version = sys.version_info
    python = f"Python {version[0]}.{version[1]} ({sys.executable})"
    if version[:2] < OLDEST:
        return _refuse(f"the head runs {python}; speechmill needs 3.11 or later")
    try:
        driver = importlib.import_module("speechmill.jobs.cli.submitted")
    except ImportError as error:
        return _refuse(
            f"{python} on the head cannot import speechmill: {error}. Its nodes need what speechmill depends on: "
            "install requirements.lock there, and start Ray with the bin folder of that environment first in PATH"
        )
    return int(driver.main(arguments))


def _refuse(problem: str) -> int:
    sys.stderr.write(f"error: {problem}.\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
