"""How fast the service answers at thousands of trials, with many clients, while a study trains.

It needs a database, which `benchmarks/scale.py --storage` makes. The service runs as a process of its own, with a
search of the embedded digits behind it, and clients in threads ask for the main routes in turn. The figures are
milliseconds: p50 and p95 of each route.

Run it by `python benchmarks/service.py sqlite:///scale.db scale --clients 20 --json`.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import statistics
import subprocess
import sys
import threading
import time

import httpx

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


def measure(storage: str, study: str, clients: int, seconds: float) -> dict[str, dict[str, float]]:
    """p50 and p95 of each route in milliseconds."""
    service = Service(storage)
    try:
        train(service.address)
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
    return {
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
    for name, own in found.items():
        print(f"{name:18} {own['requests']:6} requests   p50 {own['p50']:8.1f} ms   p95 {own['p95']:8.1f} ms")


if __name__ == "__main__":
    main()
