"""Lean nodes: after the block Ray has its own functions again; a node is waited for until it is given up."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from ray._private import node, parameter, services

from speechmill.cluster.lean_ray import lean_nodes


def functions() -> list[Any]:
    command = services._build_python_executable_command_memory_profileable
    return [parameter.RayParams, services.start_api_server, services.get_node, node.Node.start_raylet, command]


def test_ray_is_as_before_after_the_block_and_after_an_error_in_it() -> None:
    before = functions()
    with pytest.raises(KeyboardInterrupt), lean_nodes(threading.Event()):
        assert not set(map(id, functions())) & set(map(id, before))
        raise KeyboardInterrupt
    assert functions() == before


def test_metrics_have_their_agent() -> None:
    before = functions()
    with lean_nodes(threading.Event(), metrics_port=8080):
        assert functions()[-1] is before[-1]
    with lean_nodes(threading.Event()):
        command = services._build_python_executable_command_memory_profileable
        assert command("dashboard_agent", "/tmp")[0] == "sh"
        assert command("runtime_env_agent", "/tmp") == before[-1]("runtime_env_agent", "/tmp")


def test_a_node_is_waited_for_until_it_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up, asked = threading.Event(), list[int]()

    def get_node(_: str) -> str:
        asked.append(len(asked))
        if len(asked) in (1, 3):
            raise RuntimeError("no node yet")
        return "it"

    monkeypatch.setattr(services, "get_node", get_node)
    with lean_nodes(given_up):
        assert services.get_node("address") == "it"  # type: ignore[call-arg]
        given_up.set()
        with pytest.raises(TimeoutError, match="no node yet"):
            services.get_node("address")  # type: ignore[call-arg]
    assert len(asked) == 3
