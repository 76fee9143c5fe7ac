"""A picture of a terminal, from what it showed.

    tmux capture-pane -e -p | python docs/pictures/terminal.py TITLE > docs/live.svg

The picture holds text, not pixels, and fetches no font.
"""

from __future__ import annotations

import io
import re
import sys

from rich.console import Console
from rich.text import Text

WIDTH = 92


def picture(shown: str, title: str) -> str:
    """An SVG of lines with ANSI colours; empty lines at the end are left out."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in shown.rstrip().splitlines():
        console.print(Text.from_ansi(line), soft_wrap=True, highlight=False)
    svg = console.export_svg(title=title)
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    print(picture(sys.stdin.read(), sys.argv[1]))
