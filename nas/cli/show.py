"""nas show: shows what a study has found, or one of its trials."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nas.cli import options
from nas.text import table

if TYPE_CHECKING:
    from nas.storage import Store
    from nas.storage.results import TrialFacts

HELP = "show what a study has found, or the facts of one trial"
EXAMPLE = "nas show quickstart 7"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_study(parser)
    parser.add_argument("trial", metavar="TRIAL", nargs="?", type=int, help="number of a trial")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    from nas.storage import open_store
    from nas.storage.results import trial_facts

    with open_store(args.storage, create=False) as store:
        name = options.study_name(store, args)
        if args.trial is None:
            _show_study(args, store, name)
        else:
            facts = trial_facts(store, name, args.trial)
            options.show(args, facts.model_dump(mode="json"), _trial_lines(facts))
    return 0


def _show_study(args: argparse.Namespace, store: Store, name: str) -> None:
    from nas.cli.tables import result_lines
    from nas.storage.results import result, study_record
    from nas.studies.verdict import facts, standing

    found, record = result(store, name), study_record(store, name)
    # A launched study keeps the objective it began with, whatever a later certificate says.
    objectives = tuple(objective.model_copy(update={"fallback": None}) for objective in record.spec.objectives)
    proxy = facts(found.proxy, record.spec.model_copy(update={"objectives": objectives}))
    data = found.to_json() | record.model_dump(mode="json", include={"created", "provenance"})
    data |= {"spec": record.spec.to_dict(), "proxy": proxy}
    lines = [*result_lines(found), "", standing(found.proxy, record.proxy)]
    options.show(args, data, [*lines, *([proxy["verdict"]] if proxy is not None else [])])


def _trial_lines(facts: TrialFacts) -> list[str]:
    from nas.necks.architecture import Architecture
    from nas.necks.describe import describe
    from nas.studies.metrics import format_metric

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
    if facts.architecture is not None:
        lines += ["", describe(Architecture.parse(facts.architecture)).rstrip()]
    return lines
