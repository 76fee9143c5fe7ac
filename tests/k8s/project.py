"""What the manifests have to agree with, read from where the project says it: versions, the service, its token."""

from __future__ import annotations

import ast
import functools
import re
import tomllib

from .render import ROOT


def locked(package: str) -> str:
    """The version of a package in the runtime lock."""
    found = re.search(rf"^{re.escape(package)}==(\S+)", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.M)
    assert found is not None, f"requirements.lock has no {package}"
    return found[1]


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RAY_VERSION = locked("ray")
IMAGE = "registry.example.com/speechmill"
IMAGE_TAG = f"{PROJECT['version']}-ray{RAY_VERSION}"


@functools.cache
def image_user() -> tuple[int, int]:
    """User and group that the image runs as, by number."""
    users = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.M)
    return int(users[-1][0]), int(users[-1][1])


@functools.cache
def service_builder() -> str:
    """`module:function` of the Serve application."""
    return f"{_service_module()[0]}:build"


@functools.cache
def service_token_variable() -> str:
    """The environment variable that the service takes its bearer token from."""
    assigned = [node for node in _service_module()[1].body if isinstance(node, ast.Assign)]
    return next(ast.literal_eval(node.value) for node in assigned if ast.unparse(node.targets[0]) == "TOKEN")


def _service_module() -> tuple[str, ast.Module]:
    """The one module of the service that has a function `build`."""
    found = []
    for path in sorted((ROOT / "jobs" / "service").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "build" for node in tree.body):
            found.append((f"speechmill.jobs.service.{path.stem}", tree))
    (module,) = found
    return module
