"""Studies: the list of a database, and what one has found."""

from __future__ import annotations

from nas.facts.facts import Facts
from nas.facts.tables import result_lines
from nas.storage import Store
from nas.storage.jobs import Job, Jobs
from nas.storage.measuring import measuring
from nas.storage.results import Overview, overview, overviews, study_record
from nas.studies.metrics import format_metric
from nas.studies.verdict import proxy_facts, proxy_line
from nas.text import duration, table


def listed(store: Store) -> Facts:
    """The studies of a database, the oldest first, and those that a service is still to begin."""
    studies = overviews(store)
    rows = [["study", "state", "trials", "best", "time", "launched"]]
    for record, found in studies:
        first = record.spec.objectives[0].metric
        best = f"{first} {format_metric(first, found.best[0].values[first])}" if found.best else "-"
        trained = found.trials.complete + found.trials.pruned
        launched = f"{record.created:%Y-%m-%d %H:%M}"
        rows.append([record.name, found.state, str(trained), best, duration(found.seconds), launched])
    names = {record.name for record, _ in studies}
    waiting = [job for job in Jobs.of(store).live() if job.state == "queued" and job.study not in names]
    rows += [[job.study, "queued", "0", "-", "-", f"{job.posted:%Y-%m-%d %H:%M}"] for job in waiting]
    data = {"studies": [found.to_json() for _, found in studies], "queued": [job.study for job in waiting]}
    return Facts(data, table(rows).splitlines() if len(rows) > 1 else ["no studies yet"])


def ended(found: Overview) -> Facts:
    """What a launch, or a look at one that has ended, prints."""
    return Facts(found.to_json(), result_lines(found))


def shown(store: Store, name: str) -> Facts:
    """What a study has found, and where it comes from.

    Raises:
        UserError: there is no such study.
    """
    found, record = overview(store, name), study_record(store, name)
    # A launched study keeps the objective it began with, whatever a later certificate says.
    objectives = tuple(objective.model_copy(update={"fallback": None}) for objective in record.spec.objectives)
    proxy = proxy_facts(found.proxy, record.spec.model_copy(update={"objectives": objectives}))
    data = found.to_json() | record.model_dump(mode="json", include={"created", "provenance"})
    data |= {"spec": record.spec.to_dict(), "proxy": proxy}
    lost = measuring(store.database, name)
    data |= {"measuring": lost.to_json() if lost is not None else None}
    lines = [*result_lines(found), "", *([lost.line] if lost is not None else [])]
    lines.append(proxy_line(found.proxy, record.proxy))
    return Facts(data, [*lines, *([proxy["verdict"]] if proxy is not None else [])])


def waiting(name: str, job: Job) -> Facts:
    """A study that the database does not have yet: its job waits, or failed before it began."""
    why = f": {job.error}" if job.error is not None else ""
    return Facts({"study": name, "state": job.state, "error": job.error}, [f"study {name}: {job.state}{why}"])
