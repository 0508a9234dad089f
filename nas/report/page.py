"""report_html: the report of a study as one HTML file that loads nothing."""

from __future__ import annotations

import shlex
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

from nas import __version__
from nas.exports.card import backbone_source, data_source
from nas.facts.tables import NOT_TIMED
from nas.files import stem_of
from nas.necks.architecture import Architecture
from nas.necks.describe import describe
from nas.necks.spec import NeckSpec
from nas.report.assets import plotly_js, templates, text
from nas.report.drawn import drawing, drawn
from nas.report.facts import StudyFacts
from nas.report.gallery import GALLERY
from nas.report.samples import Samples
from nas.report.sentences import answer, progress_line, question
from nas.report.tables import (
    Table,
    certificate_table,
    compared_table,
    differences_table,
    finalists_table,
    pairs,
    trials_table,
)
from nas.search.effects import clear_lines
from nas.storage.results import Found, best_of
from nas.studies.verdict import proxy_facts, proxy_line
from nas.text import duration
from nas.yaml12 import dump_yaml

_CONTENTS = {
    "baselines": "Baselines",
    "front": "Front",
    "neck": "Neck",
    "mattered": "What mattered",
    "course": "Course",
    "certificate": "Proxy",
    "samples": "Predictions",
    "provenance": "Provenance",
    "reproduce": "Reproduce",
    "licences": "Licences",
}
"""Sections in their order."""

_TRIALS = 24
_FRONT = 2
"""Further necks of a Pareto front that are drawn."""


def report_html(facts: StudyFacts, shown: Samples, now: datetime | None = None) -> str:
    """The report.

    Args:
        facts: the study.
        shown: what its best model predicts, or why that is not shown.
        now: the time that the report states.
    """
    plots = {key: drawn(key, facts) for key in GALLERY}
    has_plots = any(plot.json is not None for plot in plots.values())
    moment = now or datetime.now(UTC)
    mattered = clear_lines(facts.effects) if not isinstance(facts.effects, str) else []
    return (
        templates()
        .get_template("report.html")
        .render(
            name=facts.name,
            state=facts.record.state,
            moment=f"read on {moment:%Y-%m-%d at %H:%M} UTC, after {duration(facts.record.seconds)} of search",
            question=question(facts.spec),
            answer=answer(facts),
            progress=progress_line(facts),
            trust=proxy_line(facts.result.proxy, facts.record.proxy).replace("proxy:", "The proxy is", 1) + ".",
            failures=failure_lines(facts),
            numbers=_numbers(facts),
            contents=list(_CONTENTS.items()),
            finalists=plots["finalists"],
            plots=plots,
            **_comparison(facts),
            **_necks(facts),
            mattered_basis=mattered[0] if mattered else "",
            mattered=[f"{line[:1].upper()}{line[1:]}" for line in mattered[1:]],
            trials=trials_table(facts, _TRIALS),
            more_trials=_rest(len(facts.trained)),
            **certificate_facts(facts),
            **_samples(shown),
            provenance=_provenance(facts, moment),
            **_reproduction(facts),
            licences=_licences(facts, has_plots),
            signed=f"Written by pyramid-nas {__version__} (nas report). This file loads nothing from elsewhere.",
            style=text("style.css"),
            script=text("figures.js"),
            plotly=plotly_js() if has_plots else "",
            has_plots=has_plots,
        )
    )


def report_facts(facts: StudyFacts, shown: Samples) -> dict[str, Any]:
    """What a report holds, as `nas report --json` prints it."""
    return facts.result.to_json() | {
        "question": question(facts.spec),
        "sentence": answer(facts),
        "verdict": facts.result.answer.verdict if facts.result.answer is not None else None,
        "winner": facts.winner.trial if facts.winner is not None else None,
        "figures": [key for key in GALLERY if drawn(key, facts).json is not None],
        "samples": len(shown.samples),
        "no_samples": shown.reason or None,
    }


def failure_lines(facts: StudyFacts, most: int = 5) -> list[str]:
    """Why trials failed, the most frequent kinds of failures."""
    found = [
        f"{'Trial' if len(trials) == 1 else 'Trials'} {', '.join(map(str, trials[:12]))}"
        f"{' and more' if len(trials) > 12 else ''} failed: {error}"
        for error, trials in facts.failures.items()
    ]
    return found[:most] + (
        [f"{len(found) - most} more kinds of failures: `nas logs` shows each."] if found[most:] else []
    )


def _numbers(facts: StudyFacts) -> list[tuple[str, str]]:
    counts = facts.result.trials
    trained = facts.result.trials.complete
    found = [("necks trained", f"{trained:,}"), ("baselines", str(len(facts.result.baselines)))]
    found += [(state, f"{n:,}") for state, n in counts.model_dump().items() if n and state != "complete"]
    epochs = facts.result.answer.epochs if facts.result.answer is not None else None
    if epochs is not None:
        found.append(("epochs trained", f"{epochs.spent:,}"))
        found.append(("epochs, all in full", f"{epochs.of_full:,}"))
    return [*found, ("time", duration(facts.record.seconds))]


def _comparison(facts: StudyFacts) -> dict[str, Any]:
    found = facts.result
    once = (
        f"Each row was trained once, for {facts.spec.task.epochs} epochs. There is no interval: a difference may be "
        f"the noise of the seed. `nas confirm {facts.name}` trains the best in full, with several seeds."
    )
    if found.answer is None:
        untimed = all(f.values.get("latency_ms") is None for f in (*found.best, *found.baselines))
        return {"compared": compared_table(found), "compared_notes": [once, *([NOT_TIMED] if untimed else [])]}
    where = "images that the search never saw" if found.answer.split == "test" else "the validation images"
    note = (
        f"Full trainings of {found.answer.winner.epochs} epochs, {len(found.answer.winner.scores)} seeds each, judged "
        f"on {where}. Intervals of 95 % are for other seeds and other images."
    )
    return {"compared": finalists_table(found.answer), "compared_notes": [note]}


def _necks(facts: StudyFacts) -> dict[str, Any]:
    """The winner, the best baseline, and what differs."""
    winner = facts.winner
    if winner is None:
        return {"necks": [], "changes": Table(), "described": ""}
    rival = _best_baseline(facts)
    name = winner.name or f"trial {winner.trial}"
    shown = [drawing(name, winner.architecture)]
    others = [f for f in facts.result.best if f.name is None and f != winner]
    # With several objectives there is no one winner.
    if len(facts.result.objectives) > 1:
        shown += [drawing(f"trial {f.trial}", f.architecture) for f in others[:_FRONT]]
    changes = Table()
    if rival is not None and rival.name is not None:
        shown.append(drawing(f"{rival.name}, the best baseline", rival.architecture))
        first, second = (NeckSpec.parse(f.architecture["neck"]) for f in (winner, rival))
        changes = differences_table((name, first), (rival.name, second))
    return {"necks": shown, "changes": changes, "described": describe(Architecture.parse(winner.architecture)).strip()}


def _best_baseline(facts: StudyFacts) -> Found | None:
    """The best of the baselines that were trained in full, else of all; None if that is the winner itself."""
    found = facts.result
    rivals = [b for b in found.baselines if b.feasible]
    if found.answer is not None:
        first = next((f.trial for f in found.answer.finalists if f.name is not None), None)
        rivals = [b for b in rivals if b.trial == first]
    best = best_of(rivals, found.objectives[:1])
    return best[0] if best and best[0] != facts.winner else None


def certificate_facts(facts: StudyFacts) -> dict[str, Any]:
    """The verdict on the proxy, and the figures behind it."""
    found = facts.result.proxy
    if found is None:
        line = proxy_line(None, facts.record.proxy)
        return {"verdict": f"{line[:1].upper()}{line[1:]}.", "certificate": Table()}
    # A launched study keeps the objective it began with, whatever a later certificate says.
    objectives = tuple(o.model_copy(update={"fallback": None}) for o in facts.spec.objectives)
    judged = proxy_facts(found, facts.spec.model_copy(update={"objectives": objectives}))
    return {"verdict": judged["verdict"] if judged is not None else "", "certificate": certificate_table(found)}


def _samples(shown: Samples) -> dict[str, Any]:
    if not shown.samples:
        return {"samples": [], "samples_about": f"There are no predictions to show: {shown.reason}."}
    about = f"Validation images, evenly spaced. Boxes have a score of at least {shown.threshold:g}."
    pictures = [
        {"name": s.name, "about": s.about, "size": s.size}
        | {key: b64encode(getattr(s, key)).decode() for key in ("truth", "prediction")}
        for s in shown.samples
    ]
    return {"samples": pictures, "samples_about": about}


def _rest(trained: int) -> str:
    left = trained - _TRIALS
    return f"{left:,} more are left out; `nas show --json` has them all." if left > 0 else ""


def _provenance(facts: StudyFacts, now: datetime) -> Table:
    began, record, winner = facts.record.provenance, facts.record, facts.winner
    versions = ", ".join(f"{name} {version}" for name, version in began.get("versions", {}).items())
    rows = [
        ("study", f"{facts.name}, created {record.created:%Y-%m-%d %H:%M} UTC"),
        ("read", f"{now:%Y-%m-%d %H:%M} UTC, state {record.state}"),
        ("task", f"fingerprint {record.task}"),
        *([("neck", f"digest {winner.digest}, trial {winner.trial}")] if winner is not None else []),
        ("machine", ", ".join(filter(None, (began.get("machine"), began.get("platform"))))),
        ("versions", versions),
        ("seed", str(facts.spec.seed)),
        *((f"plugin {p['name']}", f"SHA-256 {p['sha256']}") for p in began.get("plugins", ())),
    ]
    return pairs("what", "value", [(name, value or "not recorded") for name, value in rows])


def _reproduction(facts: StudyFacts) -> dict[str, Any]:
    file, name = shlex.quote(f"{stem_of(facts.name)}.yaml"), shlex.quote(facts.name)
    lines = [f"nas launch {file} --name {name}"]
    if facts.result.answer is not None and facts.spec.finalists == "none":
        lines.append(f"nas confirm {name}")
    if facts.winner is not None:
        lines.append(
            f"nas export {name} --trial {facts.winner.trial} -o {shlex.quote(f'exports/{stem_of(facts.name)}')}"
        )
    lines.append(f"nas report {name} -o {shlex.quote(f'{stem_of(facts.name)}.html')}")
    same = (
        "The same versions on the same kind of machine give the same numbers for a neck. With several workers the "
        "order of the trials, and with it what the search proposes, may differ."
    )
    spec = facts.spec.to_dict()
    return {"file": file, "commands": "\n".join(lines), "same": same, "yaml": dump_yaml(spec).rstrip()}


def _licences(facts: StudyFacts, has_plots: bool) -> list[str]:
    found = [data_source(facts.spec.task), backbone_source(facts.spec.task), "the tool, pyramid-nas: Apache-2.0"]
    return found + (["the figures are drawn by plotly.js, MIT, which this file holds"] if has_plots else [])
