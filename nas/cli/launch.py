"""nas launch: runs a search, or continues one."""

from __future__ import annotations

import argparse

from nas.cli.interruption import second_interrupt_stops
from nas.cli.output import INTERRUPTED, say, show
from nas.cli.studies import launched_name, study_to_train

STATUS = {"done": 0, "exhausted": 0, "failed": 1, "interrupted": INTERRUPTED}


def run(args: argparse.Namespace) -> int:
    file = study_to_train(args, *([f"budget.trials={args.trials}"] if args.trials is not None else []))
    # Imported only now, so that a wrong name is reported at once.
    from nas.cli.live import shown
    from nas.facts.studies import ended
    from nas.search import launch, plan

    if file.study is not None and file.study.notify is not None:
        say(f"notify: {file.study.notify} is not called by this launch; only `nas serve` calls it")
    if args.dry_run:
        planned = plan(file, args.storage, say, args.sinks)
        show(args, planned.to_dict(), planned.lines())
        return 0
    with second_interrupt_stops(), shown(launched_name(file, args), args.log) as (tell, watch):
        where = {"storage": args.storage, "artifacts": args.artifacts, "sinks": args.sinks}
        result = launch(file, say=tell, on_progress=watch, **where)
    show(args, *ended(result))
    return STATUS[result.state]
