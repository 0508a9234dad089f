"""Starting a cluster of our own, joining another's, and leaving no trace of either."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest
import ray._private.worker
from ray._private.node import Node

import nas
from nas.errors import NASError, UserError
from nas.executors.cluster import Cluster, size_of
from nas.studies.spec import Workers
from tests.contracts.executor_contract import eventually
from tests.executors.toys import Context

ROOT = Path(__file__).parents[2]

PATIENCE = 500
"""Seconds after which a process hangs, however busy the machine is."""

pytestmark = pytest.mark.timeout(600)

DRIVER = """
import os, pickle, signal, sys, time
from pathlib import Path
from nas.executors.ray import RayExecutor
from nas.studies.spec import Workers
from tests.executors.toys import evaluate, job

def end():
    # How the job ends.
    while True:
        for event in executor.events(timeout=60):
            if event.final:
                return event.what

context = pickle.loads(Path("context.pickle").read_bytes())
with RayExecutor(evaluate, context, Workers(count=1), os.environ.get("ADDRESS")) as executor:
    executor.submit(job("endless"))
    event, *_ = executor.events(timeout=60)
    Path("pid").write_text(event.worker.rpartition(":")[2])
    MIDDLE
"""


def driver(folder: Path, middle: str, context: Context, **environment: str) -> subprocess.Popen[str]:
    """A process of its own session in `folder`, with an executor and an endless job when it comes to `middle`."""
    (folder / "tmp").mkdir()
    (folder / "context.pickle").write_bytes(pickle.dumps(context))
    (folder / "driver.py").write_text(DRIVER.replace("MIDDLE", middle))
    return subprocess.Popen(
        [sys.executable, "driver.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp")} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


NOT_INSTALLED = """
import importlib.metadata

found = importlib.metadata.version

def version(name):
    if name == "pyramid-nas":
        raise importlib.metadata.PackageNotFoundError(name)
    return found(name)

importlib.metadata.version = version
"""
"""A sitecustomize.py of a machine that has what this package depends on, and not the package."""


@contextmanager
def head(folder: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A cluster of someone else's: its head, and where it listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = f"start --head --block --port={port} --num-cpus=1 --include-dashboard=false --disable-usage-stats"
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(NOT_INSTALLED)
    process = subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", *words.split(), f"--temp-dir={folder}/ray"],
        env=os.environ | {"PYTHONPATH": f"{folder / 'site'}:{ROOT}", "HOME": str(folder)} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert eventually(lambda: any(folder.glob("ray/session_latest/sockets/raylet*")))
        yield process, f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short path: Ray puts its sockets below it."""
    with tempfile.TemporaryDirectory(prefix="n", dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.ray
def test_a_cluster_of_our_own_needs_no_home_says_nothing_and_leaves_nothing(folder: Path, context: Context) -> None:
    # The death of a worker is what Ray is most eager to tell.
    middle = "os.kill(int(Path('pid').read_text()), signal.SIGKILL); print(end().kind)"
    process = driver(folder, f"{middle}; time.sleep(1)", context, HOME="/nonexistent", RAY_ADDRESS="10.255.255.1:1")
    assert process.communicate(timeout=PATIENCE) == ("worker\n", "")
    assert process.returncode == 0
    assert list((folder / "tmp").iterdir()) == []


@pytest.mark.ray
def test_a_cluster_that_asks_for_its_token(folder: Path, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "0123456789abcdef" * 4
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setattr("nas.executors.cluster._HEALTH_CHECK_SECONDS", PATIENCE)  # a machine may be busy
    with head(folder, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=token) as (_, address):
        with pytest.raises(UserError, match=f"the cluster at {address} asks for its token") as error:
            Cluster(address, Workers(), None)
        assert "\n" not in str(error.value)
        process = driver(folder, "print(executor.capacity)", context, ADDRESS=address, RAY_AUTH_TOKEN=token)
        said, warned = process.communicate(timeout=PATIENCE)
        assert (said, process.returncode) == ("1\n", 0), warned
        assert token not in warned


@pytest.mark.slow
def test_an_address_that_is_no_cluster_is_named_before_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(UserError, match=f"what answers at {address} is no Ray cluster"):
            Cluster(address, Workers(), None)


def test_an_unreachable_address_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*args: object, **options: object) -> None:
        raise AssertionError("Ray was asked, which tries for minutes")

    monkeypatch.setattr("subprocess.run", asked)
    monkeypatch.setattr("ray.init", asked)
    with pytest.raises(UserError, match=r"nothing answers at 127\.0\.0\.1:9 \(Connection refused\)"):
        Cluster("127.0.0.1:9", Workers(), None)


@pytest.mark.parametrize("address", ["nonsense", "ray://head:10001x", ":6379", "head:"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UserError, match="neither auto nor host:port"):
        Cluster(address, Workers(), None)


def test_size_counts_the_arrays(context: Context) -> None:
    assert context.images.nbytes < size_of(context) < context.images.nbytes + 10_000


@pytest.mark.slow
@pytest.mark.ray
def test_an_interrupt_reaches_the_driver_alone(folder: Path, context: Context) -> None:
    middle = """
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        events = [executor.events(timeout=5)[-1] for _ in range(3)]
        print({type(e.what).__name__ for e in events}, {e.worker for e in events} == {event.worker})
"""
    process = driver(folder, middle.strip(), context)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.communicate(timeout=180) == ("{'Progress'} True\n", "")


@pytest.mark.slow
@pytest.mark.ray
def test_workers_do_not_outlive_a_killed_driver(folder: Path, context: Context) -> None:
    process = driver(folder, "print('ready', flush=True); time.sleep(60)", context)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    worker = int((folder / "pid").read_text())
    assert psutil.pid_exists(worker)
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert eventually(lambda: not psutil.pid_exists(worker))


@pytest.mark.slow
@pytest.mark.ray
def test_a_cluster_that_runs_is_joined_given_the_package_and_left_running(folder: Path, context: Context) -> None:
    with head(folder) as (process, address):
        middle = "executor.cancel('endless'); executor.submit(job('environment'))"
        middle += "; print(end().details['package'])"
        middle += "; executor.submit(job('machine'))"
        middle += "; print(end().details['versions']['pyramid-nas'])"
        joined = driver(folder, middle, context, ADDRESS=address)
        output, errors = joined.communicate(timeout=PATIENCE)
        assert errors == ""
        package, version = output.split()
        assert Path(package).is_relative_to(folder / "ray")
        assert version == nas.__version__
        assert process.poll() is None


@pytest.mark.slow
@pytest.mark.ray
def test_what_others_hold_of_a_cluster_is_not_counted_on(folder: Path, context: Context) -> None:
    with head(folder) as (_, address):
        holder = driver(folder, "print('ready', flush=True); time.sleep(120)", context, ADDRESS=address)
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "ready\n"
            (folder / "second").mkdir()
            late = driver(folder / "second", "pass", context, ADDRESS=address)
            _, errors = late.communicate(timeout=PATIENCE)
            assert "1 with 1 CPUs and 0 GPUs each do not fit into what others leave" in errors
        finally:
            holder.kill()
            holder.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_a_cluster_whose_heart_stopped_is_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The drill of `benchmarks/chaos.py` kills the real ones."""
    node = Mock(Node)
    node.dead_processes.return_value = [("log_monitor", None)]
    monkeypatch.setattr(ray._private.worker, "_global_node", node)
    cluster = Cluster.__new__(Cluster)
    cluster._shared = False
    cluster.check()
    node.dead_processes.return_value = [("log_monitor", None), (name, None)]
    with pytest.raises(NASError, match=f"Ray's {name} ended: .* the same command starts a new cluster") as error:
        cluster.check()
    assert error.value.exit_status == 1
    cluster._shared = True  # another's cluster restarts what it wants
    cluster.check()
