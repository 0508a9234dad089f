"""A Ray cluster to work on: one of our own on this machine, or one that runs already."""

from __future__ import annotations

import logging
import math
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import PickleBuffer
from typing import Any

import cloudpickle
import psutil
import ray
import ray._private.state
import ray._private.worker

from nas.errors import UserError
from nas.studies.spec import Workers, available_cpus

_MARGIN = 2**30
"""Bytes of object store beside the context, for results on their way."""

_HEALTH_CHECK = 10.0
"""Seconds that a cluster has to tell that it is one; a healthy one takes two."""

_RETURNED = 5.0
"""Seconds that a cluster has to take back what an earlier job of it held."""

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # A container's /dev/shm may be small; Ray then keeps its objects in the temporary folder instead of refusing.
    "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE": "1",
}


class Cluster:
    """This process's connection to Ray; `close` undoes what the constructor did, and no more.

    A connection that the process has already is used and left open. Otherwise `address` None starts a cluster on this
    machine with room for `workers` and an object store that fits `context`; "auto" or "host:port" joins one.

    Raises:
        UserError: there is no cluster at `address`, or this process cannot join it.
    """

    def __init__(self, address: str | None, workers: Workers, context: Any) -> None:
        self._leave: Callable[[], None] = lambda: None
        self._shared = address is not None
        if ray.is_initialized():
            return
        self._leave = _start(workers, size_of(context)) if address is None else _join(address)
        # Ray prints the raylet's messages, such as a worker's death, on stdout even with log_to_driver=False.
        ray._private.worker._worker_logs_enabled = False

    def capacity(self, workers: Workers) -> int:
        """How many workers at a time: with `count: auto` as many as there is room for, of a cluster that was joined as
        many as others leave.

        Raises:
            UserError: the cluster has no room for so many, or others hold it.
        """
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        room = sum(_room(node, workers) for node in nodes)
        wanted = 1 if workers.count == "auto" else workers.count
        if room < wanted:
            cpus, gpus = (sum(node.get(kind, 0) for node in nodes) for kind in ("CPU", "GPU"))
            raise UserError(
                f"workers: {wanted} with {workers.cpus:g} CPUs and {workers.gpus:g} GPUs each do not fit into"
                f" {cpus:g} CPUs and {gpus:g} GPUs; ask for fewer or smaller ones"
            )
        if self._shared:
            free = _free_room(workers, room if workers.count == "auto" else wanted)
            if free < wanted:
                raise UserError(
                    f"workers: {wanted} with {workers.cpus:g} CPUs and {workers.gpus:g} GPUs each do not fit into what "
                    f"others leave of the cluster, which is room for {free}; wait for them, or ask for fewer"
                )
            room = free
        return room if workers.count == "auto" else workers.count

    def close(self) -> None:
        leave, self._leave = self._leave, lambda: None
        leave()


def size_of(context: Any) -> int:
    """Bytes that `context` takes in the object store."""
    buffers: list[PickleBuffer] = []
    data = cloudpickle.dumps(context, protocol=5, buffer_callback=buffers.append)
    return len(data) + sum(buffer.raw().nbytes for buffer in buffers)


def last_line(trace: object) -> str:
    """The last line of a traceback: the exception itself."""
    return str(trace).strip().rpartition("\n")[2]


def _free_room(workers: Workers, wanted: int) -> int:
    """How many of the wanted workers fit into what nobody holds: an actor that does not fit would wait in silence.

    Of the GPUs of a node the sum is known alone: two that are half free look like one that is.
    """
    until = time.monotonic() + _RETURNED
    while True:
        # Ray's own libraries ask so; its public function tells the sum over all nodes alone. It has no annotations.
        nodes = ray._private.state.available_resources_per_node().values()  # type: ignore[no-untyped-call]
        room = sum(_room(node, workers) for node in nodes)
        if room >= wanted or time.monotonic() > until:
            return min(room, wanted)
        time.sleep(0.1)


def _room(node: Mapping[str, float], workers: Workers) -> int:
    """Workers that fit onto one node. A share of a GPU is a share of one: 0.4 fits twice into each."""
    room = _fits(node.get("CPU", 0), workers.cpus)
    if 0 < workers.gpus < 1:
        whole, part = divmod(node.get("GPU", 0), 1)  # a part is what others left of one
        return min(room, int(whole) * _fits(1, workers.gpus) + _fits(part, workers.gpus))
    return min(room, _fits(node.get("GPU", 0), workers.gpus)) if workers.gpus else room


def _fits(whole: float, part: float) -> int:
    return math.floor(whole / part + 1e-9)


def _start(workers: Workers, context_bytes: int) -> Callable[[], None]:
    """Start a cluster on this machine. More workers than cores is the user's word: then Ray is told of more cores."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # Left to itself Ray writes its token into the home folder, which need not be writable.
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    cpus = available_cpus()
    if workers.count != "auto":
        cpus = max(cpus, math.ceil(workers.count * workers.cpus))
    folder = tempfile.mkdtemp(prefix="nas-", dir=_short_folder())
    ray.init(
        address="local",
        num_cpus=cpus,
        object_store_memory=min(context_bytes + _MARGIN, int(0.3 * psutil.virtual_memory().total)),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=folder,
    )

    def leave() -> None:
        _shutdown()
        shutil.rmtree(folder, ignore_errors=True)

    return leave


def _join(address: str) -> Callable[[], None]:
    """Join a cluster; the package goes along, so that its machines need only what it depends on."""
    _reach(address)
    package = Path(__file__).parents[1]
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"py_modules": [str(package)]},
        )
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise UserError(f"address: no Ray cluster to join at {address}: {last_line(error)}") from error
    return _shutdown


def _reach(address: str) -> None:
    """Ask first: Ray itself tries an address for minutes before it gives up.

    Raises:
        UserError: what is wrong with `address`.
    """
    if address == "auto":
        return
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
        subprocess.run(command, timeout=_HEALTH_CHECK, check=True, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        raise UserError(f"address: what answers at {address} is no Ray cluster; its head listens on 6379") from None
    except subprocess.CalledProcessError as error:
        raise UserError(f"address: no Ray cluster to join at {address}: {last_line(error.stderr)}") from None


def _shutdown() -> None:
    ray.shutdown()
    ray._private.worker._worker_logs_enabled = True


def _short_folder() -> str:
    """The system's temporary folder, unless the paths of Ray's sockets in it would pass the limit of 107 bytes."""
    folder = tempfile.gettempdir()
    return folder if len(folder) <= 24 else "/tmp"
