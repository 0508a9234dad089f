"""nas logs: shows how a trial was trained: its attempts, its workers, and what each epoch gave."""

from __future__ import annotations

import argparse

from nas.cli.output import show
from nas.cli.studies import study_name
from nas.storage import open_store
from nas.storage.records import AttemptRecord
from nas.storage.results import TrialFacts, trial_facts
from nas.studies.metrics import format_metric, in_order
from nas.text import duration, table


def run(args: argparse.Namespace) -> int:
    with open_store(args.storage, create=False) as store:
        facts = trial_facts(store, study_name(store, args), args.trial)
    show(args, facts.model_dump(mode="json", include={"study", "trial", "state", "attempts", "curve"}), _lines(facts))
    return 0


def _lines(facts: TrialFacts) -> list[str]:
    lines = [f"trial {facts.trial} of {facts.study}: {facts.state}", *map(_attempt, facts.attempts)]
    if not facts.attempts:
        lines.append("it was never sent to a worker: its architecture was known, or breaks a constraint")
    if facts.curve:
        names = ["loss", *in_order(*(point.metrics for point in facts.curve))]
        rows = [
            [str(p.epoch), f"{p.seconds:.1f}", *(format_metric(name, p.metrics.get(name)) for name in names)]
            for p in facts.curve
        ]
        lines += ["", table([["epoch", "seconds", *names], *rows])]
    return lines


def _attempt(attempt: AttemptRecord) -> str:
    where = f" on {attempt.worker}" if attempt.worker else ""
    took = f" after {duration((attempt.ended - attempt.started).total_seconds())}" if attempt.ended else ""
    why = f": {attempt.error}" if attempt.error else ""
    return f"attempt {attempt.number}{where}, {attempt.started:%Y-%m-%d %H:%M:%S} UTC: {attempt.state}{took}{why}"
