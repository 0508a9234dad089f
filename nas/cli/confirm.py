"""nas confirm: trains the best of a study in full, with several seeds, and compares them with the baselines."""

from __future__ import annotations

import argparse

from nas.cli.interruption import second_interrupt_stops
from nas.cli.launch import STATUS
from nas.cli.output import say, show
from nas.cli.studies import launched_name, study_to_train


def run(args: argparse.Namespace) -> int:
    file = study_to_train(args, f"finalists={{top: {args.top}, seeds: {args.seeds}}}", stored_first=True)
    # Imported only now, so that a wrong name is reported at once.
    from nas.cli.live import shown
    from nas.facts.studies import ended
    from nas.search import confirm, plan

    if args.dry_run:
        planned = plan(file, args.storage, say, args.sinks)
        show(args, planned.to_dict(), planned.lines())
        return 0
    where = {"storage": args.storage, "artifacts": args.artifacts, "sinks": args.sinks}
    with second_interrupt_stops(), shown(launched_name(file, args), args.log) as (tell, watch):
        result = confirm(file, top=args.top, seeds=args.seeds, say=tell, on_progress=watch, **where)
    show(args, *ended(result))
    return STATUS[result.state]
