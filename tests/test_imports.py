"""The shape of the package: imports run one way, decisions stay pure, the root exports what it says."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
from support.statements import statements

import speechmill
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.replica.receipt import JobConfig, ReplicaConfig
from speechmill.cluster.containers import CONTAINERS
from speechmill.cluster.containers.parts import Parts
from speechmill.cluster.storage import open_storage

ROOT = Path(speechmill.__file__).parent
LAYERS = ["actors", "cluster", "jobs"]
MODULES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
MODEL_ROOM = ("actors", "models")
"""Its files are the interface that batcher and engine build on; each model folder in it is a room of its own, which
builds on the engine."""
PURE = [
    "actors/records/utterance.py",
    "actors/batcher/fit.py",
    "actors/engine/schedule.py",
    "actors/models/chattts/checkpoint/layout.py",
    "actors/batcher/profile.py",
    "actors/batcher/budget.py",
    "actors/batcher/packing.py",
    "actors/batcher/tuner.py",
    "actors/batcher/stats.py",
    "actors/text/splitting.py",
    "actors/text/sentences.py",
    "actors/text/arriving.py",
    "actors/text/clauses.py",
    "actors/records/keys.py",
    "actors/records/speech.py",
    "actors/records/stream_handle.py",
    "actors/replica/priority_lock.py",
    "actors/engine/chunks.py",
    "actors/engine/step_settings.py",
    "actors/engine/schedule.py",
    "actors/models/chattts/voices/base16384.py",
    "actors/models/chattts/checkpoint/checks.py",
    "actors/models/chattts/checkpoint/layout.py",
    "actors/models/chattts/text/normalise.py",
    "actors/models/chattts/options.py",
    "actors/models/minicpmo/checkpoint/checks.py",
    "actors/models/minicpmo/checkpoint/layout.py",
    "actors/models/minicpmo/options.py",
    "actors/models/minicpmo/text_schedule.py",
    "actors/models/minicpmo/text_tokens.py",
    "actors/models/minicpmo/voices.py",
    "actors/models/probe_texts.py",
    "actors/models/voice_reference.py",
    "actors/models/chattts/text/contractions.py",
    "actors/text/front_end.py",
    "actors/text/lexicon.py",
    "actors/text/markup.py",
    "actors/text/segments.py",
    "actors/text/reading/analyser.py",
    "actors/text/reading/english/reader.py",
    "actors/text/reading/chinese/reader.py",
    "actors/models/chattts/voices/speaker.py",
    "actors/records/json_line.py",
    "actors/records/manifest.py",
    "actors/records/part_name.py",
    "actors/records/record.py",
    "actors/records/record_fields.py",
    "cluster/scheduling/task_queue.py",
    "cluster/sharding/cost_learner.py",
    "cluster/scheduling/dispatcher.py",
    "cluster/scheduling/attempts.py",
    "cluster/scheduling/shard_tracker.py",
    "cluster/scheduling/speed.py",
    "cluster/scheduling/liveness.py",
    "cluster/pool/stall_report.py",
    "cluster/lease/record.py",
    "cluster/lease/rules.py",
    "cluster/sharding/sharding.py",
    "cluster/scheduling/retry.py",
    "jobs/corpus/columns.py",
    "jobs/corpus/plain.py",
    "jobs/corpus/bloom_filter.py",
    "jobs/output/totals.py",
    "jobs/planning/windows.py",
    "jobs/report/histogram.py",
    "jobs/report/part_choice.py",
    "jobs/report/picks.py",
    "jobs/report/summary.py",
    "jobs/report/trace_file.py",
    "jobs/run/exit_status.py",
    "jobs/run/pending_part.py",
    "jobs/run/progress.py",
    "jobs/service/admission.py",
    "jobs/service/interface/aliases.py",
    "jobs/service/interface/catalog.py",
    "jobs/service/interface/request.py",
    "jobs/service/spec.py",
    "jobs/spec/document.py",
    "jobs/spec/job.py",
    "jobs/say/playback_start.py",
]


@cache
def imports_in(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """The statements of a file that import, at any depth of the code: each file is parsed once."""
    found = statements(ast.parse(path.read_text(encoding="utf-8")).body)
    return [node for node in found if isinstance(node, ast.Import | ast.ImportFrom)]


def imported(path: Path) -> Iterator[str]:
    """Absolute names of the modules that a file imports, at any depth of the code."""
    yield from (module for module, _ in imported_names(path))


def imported_names(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The same, each with the names that are taken from it."""
    package = ["speechmill", *path.relative_to(ROOT).parent.parts]
    for node in imports_in(path):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        else:
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module, [alias.name for alias in node.names]


def room_of(parts: Sequence[str]) -> str | None:
    """The room of a file or module, given by its path below the root; None for the root and the layers themselves."""
    depth = 3 if tuple(parts[:2]) == MODEL_ROOM and (ROOT / Path(*parts[:3])).is_dir() else 2
    room = ROOT / Path(*parts[:depth])
    return "/".join(parts[:depth]) if len(parts) >= 2 and room.is_dir() else None


def imported_rooms(path: Path) -> set[str]:
    """The rooms that a file imports, its own left out."""
    rooms: set[str] = set()
    for module, names in imported_names(path):
        package, *parts = module.split(".")
        if package == "speechmill":
            # `from ..run import driver` names a module, `from ..run.driver import run` does not.
            rooms |= {room for name in ["", *names] if (room := room_of([*parts, *filter(None, [name])]))}
    return rooms - {room_of(path.relative_to(ROOT).parts)}


def circle(imports: Mapping[str, set[str]]) -> list[str]:
    """Rooms that import each other in turn, the first one again at the end; none where there is no such circle."""
    finished: set[str] = set()

    def visit(trail: list[str]) -> list[str]:
        room = trail[-1]
        if room in trail[:-1]:
            return trail[trail.index(room) :]
        if room not in finished:
            for other in sorted(imports.get(room, ())):
                if found := visit([*trail, other]):
                    return found
            finished.add(room)
        return []

    return next((found for room in sorted(imports) if (found := visit([room]))), [])


def test_imports_run_one_way() -> None:
    wrong: list[str] = []
    for path in MODULES:
        layer = path.relative_to(ROOT).parts[0]
        above = tuple(f"speechmill.{other}" for other in LAYERS[LAYERS.index(layer) + 1 :])
        wrong += [f"{path} imports {name}" for name in imported(path) if name.startswith(above)]
    assert wrong == []


def test_rooms_import_each_other_without_circles() -> None:
    """Law: a room can be read, and changed, after the rooms that it imports and before those that import it."""
    imports: dict[str, set[str]] = {}
    for path in MODULES:
        if room := room_of(path.relative_to(ROOT).parts):
            imports.setdefault(room, set()).update(imported_rooms(path))
    assert {"jobs/run", "actors/engine", "actors/models", "actors/models/chattts"} <= imports.keys()
    assert circle(imports) == []


def test_a_circle_of_rooms_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}}) == ["b", "d", "b"]
    assert circle({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}) == []


def test_imports_inside_the_package_are_relative() -> None:
    wrong: list[str] = []
    for path in MODULES:
        for node in imports_in(path):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            wrong += [f"{path}:{node.lineno}" for name in names if name.split(".")[0] == "speechmill"]
    assert wrong == []


def test_decisions_import_neither_ray_nor_torch() -> None:
    assert [name for name in PURE if {"ray", "torch"} & {m.split(".")[0] for m in imported(ROOT / name)}] == []


@pytest.mark.integration
def test_the_package_imports_quickly_because_it_loads_no_heavy_library() -> None:
    code = "import sys, speechmill; print(sorted({'ray', 'torch', 'onnxruntime', 'boto3'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.integration
def test_a_replica_starts_without_what_only_jobs_need() -> None:
    code = "import sys, speechmill.cluster.pool.actor; print([n for n in sys.modules if 'speechmill.jobs' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.integration
def test_the_embedded_voice_speaks_on_a_cpu_without_torch() -> None:
    """Law: PyTorch would cost every replica 2 s and 400 MB. Neither `say`, nor a process of a small run, has it."""
    code = (
        "import sys, speechmill.cluster.pool.processes.child\n"
        "from speechmill import say\n"
        "assert sum(map(len, say('Yes.'))) > 1_000\n"
        "print(sorted({'torch', 'ray', 'scipy', 'pydantic'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.integration
def test_what_a_replica_gets_is_unpickled_without_what_only_jobs_need(tmp_path: Path) -> None:
    """Law: configuration, store, parts, and the writers of all containers come without jobs, pydantic or pyarrow."""
    parts = [Parts(open_storage(str(tmp_path)), name, "flac") for name in CONTAINERS]
    config = ModelConfig("tone")
    sent = tmp_path / "sent"
    sent.write_bytes(pickle.dumps([ReplicaConfig(config), JobConfig(config, "flac"), *parts]))
    code = (
        "import pickle, sys; from speechmill.cluster.pool.actor import ReplicaActor\n"
        f"config, job, *parts = pickle.loads(open({str(sent)!r}, 'rb').read())\n"
        "for part in parts: part.open_part('000000-0000-aa').abort()\n"
        "heavy = {'pydantic', 'pyarrow', 'typer', 'boto3'}\n"
        "print(sorted(n for n in sys.modules if n.startswith('speechmill.jobs') or n in heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_root_exports_exactly_what_it_names() -> None:
    for name in speechmill.__all__:
        assert getattr(speechmill, name).__name__ == name
    public = {name for name in vars(speechmill) if not name.startswith("_")}
    modules = {"actors", "cluster", "jobs", "errors", "import_module", "Any", "TYPE_CHECKING"}
    assert public - modules == set(speechmill.__all__) == set(speechmill._MODULES)
    assert set(speechmill.__all__) <= set(dir(speechmill))
    with pytest.raises(AttributeError, match="no attribute 'Jub'"):
        _ = speechmill.Jub
