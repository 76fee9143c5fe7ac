r"""Mathematics in TeX as plain text: "$\frac{a}{b}$" becomes "a over b", which the reader then reads.

Guaranteed: only ASCII between the marks of TeX, or a command that is known, is taken; an amount of dollars is not.
"""

from __future__ import annotations

import re

_INLINE = re.compile(
    r"\$\$(?P<block>[ -~]{1,400}?)\$\$|\$(?P<inline>(?! )[ -#%-~]{1,200}?(?<! ))\$(?!\w)|\\\((?P<round>[ -~]{1,400}?)\\\)"
    r"|\\\[(?P<square>[ -~]{1,400}?)\\\]"
)
_OF_MATHS = re.compile(r"[\\^_{}]|(?<![<>!])=(?!=)|\A[A-Za-z]\Z|\A[A-Za-z] ?[-+*/<>] ?\w\Z")
_AMOUNT = re.compile(r"\.?\d[\d.,]*\s*(?:[A-Za-z]{2,}|[-–/]|\Z)")
_FORMULA = re.compile(r"[\\^_{}=+*/<>(]|\A *\w *\Z")
"""What tells a block from words between the dollars of dear places: "from $$ to $$$"."""
_ARGUMENTS = r"(?:\[[^\[\]{}$]{0,40}\])?(?:\{(?:[^{}$]|\{[^{}$]{0,80}\}){0,120}\}){0,2}"
_COMMAND = re.compile(rf"\\(?P<name>[A-Za-z]+)(?P<arguments>{_ARGUMENTS})")
_SYMBOLS = {
    "times": "×", "cdot": " times ", "div": "÷", "pm": "±", "mp": "∓", "leq": "≤", "le": "≤", "geq": "≥", "ge": "≥", "neq": "≠",
    "ne": "≠", "approx": "≈", "equiv": "≡", "sim": "∼", "infty": "∞", "sum": "∑", "prod": "∏", "int": "∫", "partial": "∂",
    "nabla": "∇", "to": "→", "rightarrow": "→", "Rightarrow": "⇒", "implies": "⇒", "iff": "⇔", "in": "∈", "notin": "∉",
    "subset": "⊂", "subseteq": "⊆", "cup": "∪", "cap": "∩", "forall": "∀", "exists": "∃", "emptyset": "∅", "propto": "∝",
    "ldots": "…", "dots": "…", "cdots": "…", "quad": " ", "qquad": " ", "left": "", "right": "", "circ": "°", "displaystyle": "",
    "lt": "<", "gt": ">", "ll": "≪", "gg": "≫", "mid": " given ", "perp": "⊥", "parallel": "∥", "angle": "∠", "hbar": "ℏ",
}  # fmt: skip
_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ",
    "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip
_FUNCTIONS = {
    "sin": "sine", "cos": "cosine", "tan": "tangent", "log": "log", "ln": "natural log", "exp": "exponential", "lim": "limit",
    "max": "max", "min": "min", "det": "determinant", "gcd": "greatest common divisor",
}  # fmt: skip
_INNER = frozenset(
    "text textbf textit texttt textrm emph mathrm mathbf mathit mathbb mathcal operatorname boldsymbol underline overline "
    "section subsection chapter title caption footnote".split()
)
_KNOWN = frozenset((*_SYMBOLS, *_GREEK, *_FUNCTIONS, *_INNER, "frac", "tfrac", "dfrac", "sqrt", "binom"))
_IN_TEXT = frozenset(
    (*_GREEK, *_INNER, "frac", "tfrac", "dfrac", "sqrt", "binom", "times", "cdot", "leq", "geq", "neq", "infty")
)
"""Commands that are read outside the marks of mathematics too."""
_GROUP = re.compile(r"(?P<mark>[\^_])(?:\{(?P<group>[^{}]{0,120})\}|(?P<one>[A-Za-z0-9°]))")
_BOUNDS = re.compile(
    r"\\(?P<name>sum|prod|int)_(?P<low>\{[^{}]{1,40}\}|\w)\^(?P<high>\{[^{}]{1,40}\}|\w|\\infty)|\\lim_\{(?P<to>[^{}]{1,60})\}"
)
_BRACED = re.compile(r"[\^_]\{[^{}]{1,60}\}")
_ESCAPED = re.compile(r"\\([%$&#_{} ])")


def find_tex(text: str, start: int) -> tuple[str, int] | None:
    """The mathematics that begins at `start` as plain text, and its end; None for none."""
    match = _INLINE.match(text, start)
    if match is not None:
        inner = next(filter(None, match.groups()))
        is_sure = match["inline"] is None and (match["block"] is None or _FORMULA.search(inner) is not None)
        if is_sure or (_OF_MATHS.search(inner) is not None and _AMOUNT.match(inner) is None):
            return plain_tex(inner), match.end()
    group = _BRACED.match(text, start)
    if group is not None:
        return plain_tex(group[0]), group.end()
    command = _COMMAND.match(text, start)
    if command is None or command["name"] not in _IN_TEXT:
        return None
    return plain_tex(command[0]), command.end()


def plain_tex(source: str) -> str:
    """TeX as plain text with the signs of Unicode."""
    text = _BOUNDS.sub(_plain_bounds, source)
    for _ in range(6):  # what is nested, from the inside out
        changed = _COMMAND.sub(_plain_command, _GROUP.sub(_plain_group, text))
        if changed == text:
            break
        text = changed
    text = _ESCAPED.sub(r"\1", text.replace("\\\\", ", "))
    return " ".join(re.sub(r"\\[,;:! ]|[{}\\~&]", " ", text).split())


def _plain_bounds(match: re.Match[str]) -> str:
    if match["to"]:
        return f" limit as {match['to']} of "
    name = {"sum": "sum", "prod": "product", "int": "integral"}[match["name"]]
    return f" {name} from {match['low'].strip('{}')} to {match['high'].strip('{}')} of "


def _plain_command(match: re.Match[str]) -> str:
    name, arguments = match["name"], match["arguments"]
    if name in _SYMBOLS:
        return f"{_SYMBOLS[name]}{arguments}"
    if name in _GREEK:
        return f"{_GREEK[name]} {arguments}"
    if name in _FUNCTIONS:
        return f" {_FUNCTIONS[name]} {arguments}"
    root = re.match(r"\[([^\]]*)\]", arguments)
    pieces = _pieces(arguments[root.end() :] if root is not None else arguments)
    if name in ("frac", "tfrac", "dfrac") and len(pieces) == 2:
        return f" {pieces[0]} over {pieces[1]} "
    if name == "binom" and len(pieces) == 2:
        return f" {pieces[0]} choose {pieces[1]} "
    if name == "sqrt" and pieces:
        kind = {"3": "cube", "4": "fourth", "n": "nth"}.get(root[1], f"{root[1]}th") if root is not None else "square"
        return f" {kind} root of {pieces[0]} "
    if name in ("begin", "end"):
        return " "
    return f" {' '.join(pieces)} " if pieces else f" {name} "


def _pieces(arguments: str) -> list[str]:
    """What stands between braces, one level deep."""
    pieces: list[str] = []
    depth, begin = 0, 0
    for place, char in enumerate(arguments):
        if char == "{":
            depth += 1
            begin = place + 1 if depth == 1 else begin
        elif char == "}":
            depth -= 1
            if not depth:
                pieces.append(arguments[begin:place])
    return pieces


def _plain_group(match: re.Match[str]) -> str:
    inner = match["group"] if match["group"] is not None else match["one"]
    if match["mark"] == "_":
        return f" sub {inner} "
    if inner.strip() in ("°", "\\circ"):
        return "°"
    named = {"2": " squared ", "3": " cubed ", "T": " transpose ", "'": " prime "}.get(inner.strip())
    return named or f" to the power of {inner} "
