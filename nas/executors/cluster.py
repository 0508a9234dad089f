"""A Ray cluster to work on: one of our own on this machine, or one that runs already."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from pickle import PickleBuffer
from typing import Any

import cloudpickle
import psutil
import ray
import ray._private.state
import ray._private.worker

from nas.errors import NASError, UserError
from nas.executors.room import Node, own_cpus, room, with_gpus
from nas.studies.spec import Workers

_MARGIN = 2**30
"""Bytes of object store for results on their way, beside the context."""

_HEALTH_CHECK_SECONDS = 30.0
"""Time for a cluster to prove that it is one. A healthy one takes two seconds, and longer on a busy machine."""

_RECLAIM_SECONDS = 5.0
"""Time for a cluster to reclaim the resources of an earlier job."""

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # A container's /dev/shm may be small; Ray then keeps its objects in the temporary folder instead of refusing.
    "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE": "1",
}


class Cluster:
    """This process's connection to Ray. `close` undoes what the constructor did.

    If the process is connected already, that connection is used and left open. Otherwise `address` None starts a
    cluster on this machine with room for `workers` and `context`; "auto" or "host:port" joins a running one.

    Attributes:
        changes: whether nodes may join and leave: it is not a cluster of our own.

    Raises:
        UserError: there is no cluster at `address`, or this process cannot join it.
    """

    def __init__(self, address: str | None, workers: Workers, context: Any) -> None:
        self._cleanup = ExitStack()
        self._shared = address is not None
        self.changes = self._shared or ray.is_initialized()
        if ray.is_initialized():
            return
        if address is None:
            folder = _start(workers, size_of(context))
            self._cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        else:
            # This package is sent along, so that the cluster's machines need only its dependencies.
            _join(address, {"py_modules": [str(Path(__file__).parents[1])]})
        self._cleanup.callback(_shutdown)
        # Ray prints the raylet's messages, such as a worker's death, on stdout even with log_to_driver=False.
        ray._private.worker._worker_logs_enabled = False

    def with_gpus(self, workers: Workers) -> Workers:
        """The workers with a number of GPUs each in place of `auto`."""
        return with_gpus(workers, _nodes())

    def capacity(self, workers: Workers) -> int:
        """Number of workers to run: `workers.count`, or with `auto` as many as fit beside other users of the cluster.

        Raises:
            UserError: the cluster has no room for so many, or others hold it.
        """
        nodes = _nodes()
        there = sum(room(node, workers) for node in nodes)
        wanted = 1 if workers.count == "auto" else workers.count
        misfit = f"workers: {wanted} with {workers.cpus:g} CPUs and {workers.gpus:g} GPUs each do not fit into"
        if there < wanted:
            cpus, gpus = (sum(node.get(kind, 0) for node in nodes) for kind in ("CPU", "GPU"))
            raise UserError(f"{misfit} {cpus:g} CPUs and {gpus:g} GPUs; ask for fewer or smaller ones")
        if self._shared:
            there = _free_room(workers, there if workers.count == "auto" else wanted)
            if there < wanted:
                raise UserError(
                    f"{misfit} what others leave of the cluster, which is room for {there}; wait for them, or ask for "
                    "fewer"
                )
        return there if workers.count == "auto" else workers.count

    def room(self, workers: Workers) -> int:
        """How many workers the nodes that are alive have room for, were there no others."""
        return sum(room(node, workers) for node in _nodes())

    def free_room(self, workers: Workers) -> int:
        """How many workers fit into what nobody uses now."""
        return sum(room(node, workers) for node in _free_nodes())

    def state(self, actor: Any) -> str:
        """Ray's state of an actor: PENDING_CREATION while no node has room for it, ALIVE, DEAD."""
        found = ray._private.state.actors(actor._actor_id.hex())
        return str(found["State"]) if found else "DEAD"

    def check(self) -> None:
        """Check that a cluster of our own still has the processes that it cannot do without.

        Raises:
            NASError: one of them ended. Ray itself would wait for it for a minute, and then abort this process.
        """
        node = ray._private.worker._global_node
        if self._shared or node is None:
            return
        ended = [name for name, _ in node.dead_processes() if name in ("gcs_server", "raylet")]
        if ended:
            raise NASError(
                f"Ray's {ended[0]} ended: killed, crashed or out of memory. What is finished is kept: the same command "
                "starts a new cluster"
            )

    def close(self) -> None:
        self._cleanup.close()


def nodes_at(address: str | None) -> list[Node]:
    """The nodes of the cluster at `address`, or of the one that this process is connected to.

    Raises:
        UserError: there is no cluster at `address`.
    """
    if ray.is_initialized():
        return _nodes()
    assert address is not None
    _join(address, {})
    try:
        return _nodes()
    finally:
        _shutdown()


def _nodes() -> list[Node]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def _free_nodes() -> list[Node]:
    # Ray's public function returns only the sum over all nodes.
    return list(ray._private.state.available_resources_per_node().values())  # type: ignore[no-untyped-call]


def size_of(context: Any) -> int:
    """Bytes that `context` takes in the object store."""
    buffers: list[PickleBuffer] = []
    data = cloudpickle.dumps(context, protocol=5, buffer_callback=buffers.append)
    return len(data) + sum(buffer.raw().nbytes for buffer in buffers)


def last_line(trace: object) -> str:
    """The last line of a traceback: the exception itself."""
    return str(trace).strip().rpartition("\n")[2]


def _free_room(workers: Workers, wanted: int) -> int:
    """How many of the wanted workers fit into the free resources. An actor that does not fit would wait silently.

    Only the sum of a node's free GPUs is known: two half-free GPUs look like one free one.
    """
    until = time.monotonic() + _RECLAIM_SECONDS
    while True:
        free = sum(room(node, workers) for node in _free_nodes())
        if free >= wanted or time.monotonic() > until:
            return min(free, wanted)
        time.sleep(0.1)


def _start(workers: Workers, context_bytes: int) -> str:
    """Start a cluster on this machine and return its folder. If the user asks for more workers than fit its cores,
    Ray is given a higher number of cores.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # By default Ray writes its token into the home folder, which need not be writable.
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    # The paths of Ray's sockets have a limit of 107 bytes.
    parent = tempfile.gettempdir()
    folder = tempfile.mkdtemp(prefix="nas-", dir=parent if len(parent) <= 24 else "/tmp")
    ray.init(
        address="local",
        num_cpus=own_cpus(workers),
        object_store_memory=min(context_bytes + _MARGIN, int(0.3 * psutil.virtual_memory().total)),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=folder,
    )
    return folder


def _join(address: str, environment: dict[str, Any]) -> None:
    """Join a cluster, whose workers get a runtime environment of Ray."""
    if _has_token():
        os.environ["RAY_AUTH_MODE"] = "token"
        ray._raylet.Config.initialize("")  # type: ignore[attr-defined]  # it read its settings when it was imported
    if address != "auto":
        _check_address(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=environment)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise UserError(f"address: no Ray cluster to join at {address}: {last_line(error)}") from error


def _check_address(address: str) -> None:
    """Check that a cluster answers at host:port, since Ray itself would try for minutes.

    Raises:
        UserError: what is wrong with `address`.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UserError(f"address: {address!r} is neither auto nor host:port of a Ray cluster's head")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"address: nothing answers at {address} ({reason}); is the cluster's head running?") from None
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        subprocess.run(command, timeout=_HEALTH_CHECK_SECONDS, check=True, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        raise UserError(f"address: what answers at {address} is no Ray cluster; its head listens on 6379") from None
    except subprocess.CalledProcessError as error:
        if "InvalidAuthToken" in error.stderr:
            raise UserError(
                f"address: the cluster at {address} asks for its token: copy ~/.ray/auth_token from its head, or set "
                "RAY_AUTH_TOKEN"
            ) from None
        raise UserError(f"address: no Ray cluster to join at {address}: {last_line(error.stderr)}") from None


def _has_token() -> bool:
    """Whether Ray has a token for a cluster, and no mode was chosen. Ray does not look by itself when it joins."""
    own = Path(os.environ.get("RAY_AUTH_TOKEN_PATH", Path("~/.ray/auth_token").expanduser()))
    return "RAY_AUTH_MODE" not in os.environ and ("RAY_AUTH_TOKEN" in os.environ or own.is_file())


def _shutdown() -> None:
    ray.shutdown()
    ray._private.worker._worker_logs_enabled = True
