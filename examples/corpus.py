"""A corpus from Python: every row with a seed of its own, the result read back clip by clip.

    python examples/corpus.py [OUTPUT]

Run it twice with the same output: the second run finds everything done.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

import speechmill

LINES = [
    "The kettle is on, and the bread is still warm.",
    "Take the second path after the bridge.",
    "Nine boats left before the fog came in.",
]


def main(output: str) -> None:
    """Write a corpus, speak it, and say what came of each row."""
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    corpus = folder / "corpus.csv"
    with corpus.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text", "seed"])
        rows.writerows([f"line-{number}", text, 100 + number] for number, text in enumerate(LINES))
    result = speechmill.Job(input={"uri": str(corpus)}, output={"uri": str(folder / "speech")}).run()
    for clip in speechmill.read(result.output):
        print(f"{clip.id}: {clip.duration_s:.1f} s with seed {clip.metadata['seed']}")


if __name__ == "__main__":
    main(*(sys.argv[1:] or [tempfile.mkdtemp()]))
