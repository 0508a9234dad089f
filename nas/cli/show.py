"""nas show: shows what a study has found, or one of its trials."""

from __future__ import annotations

import argparse

from nas.cli.output import show
from nas.cli.studies import study_name
from nas.cli.tables import result_lines
from nas.necks.architecture import Architecture
from nas.necks.describe import describe
from nas.storage import Store, open_store
from nas.storage.results import TrialFacts, longer_table, overview, study_record, trial_facts
from nas.studies.metrics import format_metric
from nas.studies.verdict import proxy_facts, proxy_line
from nas.text import table


def run(args: argparse.Namespace) -> int:
    with open_store(args.storage, create=False) as store:
        name = study_name(store, args)
        if args.trial is None:
            _show_study(args, store, name)
        else:
            facts = trial_facts(store, name, args.trial)
            show(args, facts.model_dump(mode="json"), _trial_lines(facts))
    return 0


def _show_study(args: argparse.Namespace, store: Store, name: str) -> None:
    found, record = overview(store, name), study_record(store, name)
    # A launched study keeps the objective it began with, whatever a later certificate says.
    objectives = tuple(objective.model_copy(update={"fallback": None}) for objective in record.spec.objectives)
    proxy = proxy_facts(found.proxy, record.spec.model_copy(update={"objectives": objectives}))
    data = found.to_json() | record.model_dump(mode="json", include={"created", "provenance"})
    data |= {"spec": record.spec.to_dict(), "proxy": proxy}
    lines = [*result_lines(found), "", proxy_line(found.proxy, record.proxy)]
    show(args, data, [*lines, *([proxy["verdict"]] if proxy is not None else [])])


def _trial_lines(facts: TrialFacts) -> list[str]:
    lines = [
        f"trial {facts.trial} of {facts.study}: {facts.state}" + (f", baseline {facts.name}" if facts.name else "")
    ]
    if facts.error is not None:
        lines.append(facts.error)
    if facts.duplicate_of is not None:
        lines.append(f"the same architecture as trial {facts.duplicate_of}")
    if facts.feasible is False:
        lines.append("breaks a constraint")
    rows = [[name, format_metric(name, value)] for name, value in facts.values.items()]
    rows += [[name, str(value)] for name, value in facts.params.items()]
    if rows:
        lines += ["", table(rows)]
    if facts.longer:
        lines += ["", "trained longer:", longer_table(facts.longer)]
    if facts.architecture is not None:
        lines += ["", describe(Architecture.parse(facts.architecture)).rstrip()]
    return lines
