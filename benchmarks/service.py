"""How fast the service answers at thousands of trials, with many clients, while a study trains.

It needs a database, which `benchmarks/scale.py --storage` makes. The service runs as a process of its own, with a
search of the embedded digits behind it. First, as many viewers keep the page of that study open: live updates cost CPU
time of the service, told in percent of a core with them and without them. Then clients in threads ask for the main
routes in turn: milliseconds, p50 and p95 of each route.

Run it by `python benchmarks/service.py sqlite:///scale.db scale --clients 20 --json`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import statistics
import subprocess
import sys
import threading
import time

import httpx
import psutil

ROUTES = {
    "studies": "/v1/studies",
    "study": "/v1/studies/{study}",
    "result": "/v1/studies/{study}/result",
    "trials": "/v1/studies/{study}/trials?limit=10000",
    "trial": "/v1/studies/{study}/trials/{trial}",
    "curves": "/v1/studies/{study}/curves?trial={trial}",
    "jobs": "/v1/jobs",
    "page of the study": "/studies/{study}",
}

BEHIND = {
    "name": "behind-the-benchmark",
    "task": {"kind": "detection", "data": {"kind": "digits"}, "epochs": 4},
    "budget": {"trials": 1000},
    "workers": {"count": 1},
}
"""The study that trains meanwhile; it is deleted at the end."""


class Service:
    """`nas serve` on a database."""

    def __init__(self, storage: str) -> None:
        command = [sys.executable, "-m", "nas", "serve", "--storage", storage, "--port", "0", "--rate", "1000000"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.address = next(m[0] for line in self.process.stderr if (m := re.search(r"http://[^ ]+:\d+", line)))
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait()


def train(address: str) -> None:
    """Post the study behind, and wait until it trains."""
    with httpx.Client(base_url=address, timeout=60) as http:
        http.post("/v1/studies", json=BEHIND).raise_for_status()
        while not (http.get(f"/v1/studies/{BEHIND['name']}").json().get("trials") or {}).get("running"):
            time.sleep(1)


def forget(address: str) -> None:
    """Cancel the study behind, and delete it."""
    name = BEHIND["name"]
    with httpx.Client(base_url=address, timeout=60) as http:
        http.post(f"/v1/studies/{name}/cancel").raise_for_status()
        while http.delete(f"/v1/studies/{name}", params={"confirm": name}).status_code == 409:
            time.sleep(1)


def ask(address: str, study: str, trial: int, until: float, times: dict[str, list[float]]) -> None:
    """Ask for the routes in turn, as one client."""
    with httpx.Client(base_url=address, timeout=60) as http:
        while time.monotonic() < until:
            for name, path in ROUTES.items():
                began = time.perf_counter()
                http.get(path.format(study=study, trial=trial)).raise_for_status()
                times[name].append(1e3 * (time.perf_counter() - began))


PACE = {"study-changed": 4.0, "study-trained": 8.0}
"""Seconds between two loads of a part of the page, as in pages.js."""
PART = re.compile(r'hx-get="([^"]+)"[^>]*hx-trigger="[^"]*(study-changed|study-trained)')


async def view(address: str, study: str) -> None:
    """Keep the page of a study open, as a browser does: parts are loaded again when its events say so."""
    async with httpx.AsyncClient(base_url=address, timeout=None) as http:
        page = (await http.get(f"/studies/{study}")).raise_for_status().text
        parts = [(path.replace("&amp;", "&"), trigger) for path, trigger in PART.findall(page)]
        if {trigger for _, trigger in parts} != set(PACE):
            raise SystemExit("the page of a study has no parts that are loaded again: adapt PART to it")
        due: dict[str, asyncio.Task[None]] = {}
        loaded = dict.fromkeys(PACE, 0.0)

        async def load(name: str) -> None:
            await asyncio.sleep(PACE[name] - (time.monotonic() - loaded[name]))
            loaded[name] = time.monotonic()
            for path, trigger in parts:
                if trigger == name:
                    (await http.get(path, headers={"HX-Request": "true"})).raise_for_status()

        trained = None
        async with http.stream("GET", f"/v1/studies/{study}/events") as events:
            async for line in events.aiter_lines():
                if not line.startswith('data: {"'):
                    continue
                now = json.loads(line.removeprefix("data: ")).get("progress") or {}
                for name in PACE if now.get("trained") != trained else ("study-changed",):
                    if name not in due or due[name].done():
                        due[name] = asyncio.create_task(load(name))
                trained = now.get("trained")


async def watched(address: str, study: str, viewers: int, seconds: float) -> None:
    """Have viewers watch for some time. A viewer that fails ends it."""
    watching = [asyncio.create_task(view(address, study)) for _ in range(viewers)]
    done, _ = await asyncio.wait(watching, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
        raise SystemExit("the events of the study ended")
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)


def live_updates(service: Service, viewers: int, seconds: float) -> dict[str, float]:
    """CPU time of the service in percent of a core, with nobody who watches and with viewers."""
    process = psutil.Process(service.process.pid)

    def percent(viewers: int) -> float:
        before = process.cpu_times()
        if viewers:
            asyncio.run(watched(service.address, BEHIND["name"], viewers, seconds))
        else:
            time.sleep(seconds)
        after = process.cpu_times()
        return 100 * (after.user + after.system - before.user - before.system) / seconds

    return {"alone": percent(0), "watched": percent(viewers)}


def measure(storage: str, study: str, clients: int, seconds: float) -> dict[str, dict[str, float]]:
    """p50 and p95 of each route in milliseconds, and what live updates cost in percent of a core."""
    service = Service(storage)
    try:
        train(service.address)
        live = live_updates(service, clients, seconds)
        rows = httpx.get(f"{service.address}/v1/studies/{study}/trials", params={"limit": 1}, timeout=60).json()
        times: dict[str, list[float]] = {name: [] for name in ROUTES}
        facts = (service.address, study, rows["trials"][0]["trial"], time.monotonic() + seconds, times)
        threads = [threading.Thread(target=ask, args=facts) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        forget(service.address)
    finally:
        service.stop()
    return {"live updates": live} | {
        name: {"requests": len(own), "p50": statistics.median(own), "p95": statistics.quantiles(own, n=20)[-1]}
        for name, own in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("storage")
    parser.add_argument("study")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = measure(args.storage, args.study, args.clients, args.seconds)
    if args.json:
        print(json.dumps(found))
        return
    live = found.pop("live updates")
    print(f"live updates: {live['watched'] - live['alone']:.1f} % of a core for {args.clients} viewers", end=" ")
    print(f"({live['watched']:.1f} % with them, {live['alone']:.1f} % without)")
    for name, own in found.items():
        print(f"{name:18} {own['requests']:6} requests   p50 {own['p50']:8.1f} ms   p95 {own['p95']:8.1f} ms")


if __name__ == "__main__":
    main()
