"""nas show: what a study has found, or one of its trials."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nas.cli import options

if TYPE_CHECKING:
    from nas.storage import Store
    from nas.storage.results import TrialFacts
    from nas.studies.spec import StudySpec

HELP = "show what a study has found, or the facts of one trial"
EXAMPLE = "nas show quickstart 7"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_study(parser)
    parser.add_argument("trial", metavar="TRIAL", nargs="?", type=int, help="number of a trial")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    from nas.storage import open_store

    with open_store(args.storage, create=False) as store:
        name = options.study_name(store, args)
        if args.trial is None:
            _show_study(store, name, args.json)
        else:
            _show_trial(store, name, args.trial, args.json)
    return 0


def _show_study(store: Store, name: str, as_json: bool) -> None:
    from nas.cli.tables import result_lines
    from nas.storage.results import result, study_record
    from nas.studies.verdict import proxy_facts, proxy_line

    found, record = result(store, name), study_record(store, name)
    if as_json:
        told = record.model_dump(mode="json", include={"created", "provenance"})
        told |= {"spec": record.spec.to_dict(), "proxy": proxy_facts(found.proxy, _as_begun(record.spec))}
        options.print_json(found.to_json() | told)
    else:
        print(*result_lines(found), sep="\n")
        print("\n" + proxy_line(found.proxy, record.proxy))
        proven = proxy_facts(found.proxy, _as_begun(record.spec))
        if proven is not None:
            print(proven["verdict"])


def _as_begun(spec: StudySpec) -> StudySpec:
    """A study that was launched goes by what it began with, whatever a later certificate says."""
    objectives = tuple(objective.model_copy(update={"fallback": None}) for objective in spec.objectives)
    return spec.model_copy(update={"objectives": objectives})


def _show_trial(store: Store, name: str, number: int, as_json: bool) -> None:
    from nas.storage.results import trial_facts

    facts = trial_facts(store, name, number)
    if as_json:
        options.print_json(facts.model_dump(mode="json"))
    else:
        print(*_trial_lines(facts), sep="\n")


def _trial_lines(facts: TrialFacts) -> list[str]:
    from nas.necks.architecture import Architecture
    from nas.necks.describe import describe
    from nas.studies.metrics import format_metric
    from nas.text import table

    title = f"trial {facts.trial} of {facts.study}: {facts.state}"
    lines = [title + (f", baseline {facts.name}" if facts.name else "")]
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
