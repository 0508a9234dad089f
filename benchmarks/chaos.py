"""A study that survives anything: faults at random instants of a real search, and what broke by them.

    python benchmarks/chaos.py --faults 30 --seed 0
    python benchmarks/chaos.py --faults 10 --seed 1 --json

A small study (the embedded digits, Ray with two workers, real training) runs without an end. At random instants one
fault after another happens to it: its driver, a worker or Ray's own processes are killed, PostgreSQL is stopped and
started again, the disk is filled, a weight file is damaged, and so on (`chaos_drill/faults.py`). If the launch ends by
it, it is launched again. Studies take turns on PostgreSQL and SQLite. At the end the study is led to its end, and
everything in it is compared: no finished trial lost or trained twice, none RUNNING, counts as they should be, weights
that give the recorded metrics to the last digit, no traceback.

What a machine does not allow is left out: mounting a small disk takes root, PostgreSQL its server.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(1, str(ROOT / "benchmarks"))

import optuna  # noqa: E402
from chaos_drill import faults as kinds  # noqa: E402
from chaos_drill.faults import FAULTS  # noqa: E402
from chaos_drill.judge import judge, look, look_at_end, traceback  # noqa: E402
from chaos_drill.world import Driver, World  # noqa: E402

from nas.studies.spec import available_cpus  # noqa: E402
from nas.text import table  # noqa: E402
from tests.postgres import Server, programs  # noqa: E402

A_STUDY = 12
"""Faults that one study suffers."""

STUCK_SECONDS = 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=30, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the kinds and instants")
    parser.add_argument("--kinds", help="only these, with commas between")
    parser.add_argument(
        "--pause", type=float, default=20.0, help="most seconds that the database is away; between faults at most 4"
    )
    parser.add_argument("--keep", action="store_true", help="leave the folders of studies with violations")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout, all else on stderr")
    args = parser.parse_args()
    # A shell that starts this in the background has it ignore Ctrl-C, and so would every launch.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))  # so that nothing is left behind
    kinds.PAUSES = (min(1.0, args.pause), args.pause)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    began, random = time.monotonic(), Random(args.seed)
    counts: Counter[str] = Counter()
    violations: list[str] = []
    server = Server(found) if (found := programs()) is not None and _driver() else None
    try:
        left, turn = args.faults, 0
        while left:
            count = min(left, A_STUDY)
            violations += drill(server if turn % 2 == 0 else None, random, count, counts, args)
            left, turn = left - count, turn + 1
    finally:
        if server is not None:
            server.remove()
    found = {"faults": dict(sorted(counts.items())), "violations": violations}
    if args.json:
        print(json.dumps(found))
    else:
        print(f"{platform.node()}, {available_cpus()} cores, {date.today()}, {time.monotonic() - began:.0f} s")
        print(table([["fault", "times"], *([kind, str(n)] for kind, n in found["faults"].items())]))
        print(f"{sum(counts.values())} faults, {len(violations)} violations", *violations, sep="\n")
    sys.exit(1 if violations else 0)


def drill(
    server: Server | None, random: Random, count: int, counts: Counter[str], args: argparse.Namespace
) -> list[str]:
    """What broke in a study that suffers so many faults."""
    folder = Path(tempfile.mkdtemp(prefix="nas-chaos-"))
    world = World(folder / "study", server, os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    names = [name for name, fault in FAULTS.items() if fault.possible(world)]
    if args.kinds:
        names = [name for name in names if name in args.kinds.split(",")]
    due: list[str] = []
    try:
        driver = started(world)
        for number in range(count):
            if driver.ended:
                driver = started(world)
            due = due or random.sample(names, len(names))  # each kind once before any comes twice
            kind = due.pop()
            time.sleep(random.uniform(0, min(4.0, args.pause)))
            say(f"{number + 1} of {count} on {'PostgreSQL' if server else 'SQLite'}: {kind}")
            counts[kind] += 1
            known = len(world.violations)
            driver = suffer(world, driver, kind, random)
            look(world)
            for violation in world.violations[known:]:
                say(f"violation: {violation}")
        end(world, driver)
        for every in world.drivers:
            traceback(world, every, f"launch {every.number}")
    finally:
        if not (args.keep and world.violations):
            world.remove()
    return world.violations


def started(world: World) -> Driver:
    """A launch that trains."""
    driver = world.launch()
    if not _until(lambda: driver.ended or " starts: " in driver.stderr):
        world.violations.append(f"launch {driver.number} does not begin: {driver.stderr[-600:]}")
    return driver


def suffer(world: World, driver: Driver, kind: str, random: Random) -> Driver:
    """Do it, and wait until the launch has ended or finished another trial. Returns the launch that goes on."""
    fault = FAULTS[kind]
    before = world.states("COMPLETE")
    fault.apply(world, driver, random)
    if driver is not world.drivers[-1]:  # another one took over
        look_at_end(world, driver, kind, fault.endings)
        driver = world.drivers[-1]
    if not _until(lambda: driver.ended or (not fault.ends and world.states("COMPLETE") > before)):
        world.violations.append(f"{kind}: nothing happens any more: {driver.stderr[-600:]}")
        driver.process.kill()
        driver.process.wait()
    elif driver.ended:
        look_at_end(world, driver, kind, fault.endings)
    return driver


def end(world: World, driver: Driver) -> None:
    """End the endless launch, lead the study to its end, and judge it."""
    driver.signal(signal.SIGINT)
    if not driver.wait(STUCK_SECONDS):
        world.violations.append("the launch does not end by SIGINT")
        driver.process.kill()
        driver.process.wait()
    look(world)
    with world.store() as store:
        from nas.storage.results import result

        trials = result(store, "quickstart").trials.complete + 2
    last = world.launch(trials)
    if not last.wait(2 * STUCK_SECONDS):
        world.violations.append("the last launch does not end")
        return
    judge(world, trials)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _until(condition) -> bool:
    limit = time.monotonic() + STUCK_SECONDS
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.5)
    return True


def _driver() -> bool:
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    main()
