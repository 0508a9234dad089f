"""nas proxy: does a study's short training rank necks as the full one does, and how cheap may it be?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nas.cli.output import say, show
from nas.cli.studies import study_to_train
from nas.errors import UserError
from nas.facts.tables import certificate_lines, outlook_lines, proxies_table
from nas.files import stem_of, write_whole
from nas.search.request import refuse
from nas.studies.catalog import StudyFile, folder
from nas.studies.certificate import LOW, MINIMUM, NECKS, SEEDS, THRESHOLD, Certificate, first_certified
from nas.studies.forecast import FORECAST_NAMES
from nas.studies.spec import StudySpec
from nas.studies.verdict import proxy_facts


def run(args: argparse.Namespace) -> int:
    for name, default, least in (("necks", NECKS, MINIMUM), ("seeds", SEEDS, 1), ("threshold", THRESHOLD, 0)):
        if getattr(args, name) is None:
            setattr(args, name, default)
        if getattr(args, name) < least:
            raise UserError(f"--{name} {getattr(args, name)}: it must be at least {least}")
    if not args.threshold <= 1:  # NaN too
        raise UserError(f"--threshold {args.threshold}: tau is at most 1")
    if args.output is not None and not args.search:
        raise UserError("-o names the study file that --search writes: add --search, or leave it out")
    file = study_to_train(args)
    if file.study is None or file.faults:
        refuse(file)
    spec = file.study
    assert spec is not None
    with file.locating():
        if args.dry_run:
            return _dry_run(args, file, spec)
        return _search(args, file, spec) if args.search else _certify(args, spec)


def _dry_run(args: argparse.Namespace, file: StudyFile, spec: StudySpec) -> int:
    from nas.proxy import check_search, outlook

    if args.search:
        check_search(spec, args.seeds)
        _target(args, file)
    found = outlook(spec, storage=args.storage, necks=args.necks, seeds=args.seeds, say=say)
    show(args, found.to_dict(), outlook_lines(found, search=args.search))
    return 0


def _certify(args: argparse.Namespace, spec: StudySpec) -> int:
    from nas.proxy import certify

    found = certify(spec, **_arguments(args))
    show(args, _data(found, spec), certificate_lines(found))
    return 0


def _search(args: argparse.Namespace, file: StudyFile, spec: StudySpec) -> int:
    """Returns 0 if a proxy was found, 1 if none is certified."""
    from nas.proxy import cheapest
    from nas.proxy.settings import difference

    target = _target(args, file)
    found = cheapest(spec, **_arguments(args))
    chosen = first_certified(found, spec)
    if chosen is not None:
        _write(target, file, chosen, spec)
    tried = [
        {"epochs": c.proxy.task.epochs, "setting": difference(c.proxy.task, c.full.task)} | (proxy_facts(c, spec) or {})
        for c in found
    ]
    data = {"chosen": _data(chosen, spec), "file": str(target)} if chosen else {"chosen": None, "file": None}
    show(args, data | {"proxies": tried}, _search_lines(found, chosen, spec, target, args.threshold))
    return 0 if chosen is not None else 1


def _search_lines(
    found: Sequence[Certificate], chosen: Certificate | None, spec: StudySpec, target: Path, threshold: float
) -> Iterator[str]:

    from nas.proxy.settings import difference

    yield from (proxies_table(found), "")
    most = max(found, key=lambda c: c.necks, default=None)  # some may have ended early
    if most is not None and most.tau_finest is not None:
        full = "" if most.tau_full is None else f", another full run {most.tau_full:.2f}"
        yield f"The finest level alone, with no training, has tau {most.tau_finest:.2f}{full}."
    if chosen is None:
        yield f"No cheaper training reaches tau {threshold:g} with an interval above {LOW:g}."
    else:
        setting = difference(chosen.proxy.task, spec.task)
        yield chosen.verdict
        yield f"{target}: task.epochs is {chosen.proxy.task.epochs} now{setting and ', '}{setting}"
        yield (
            "The chosen figure is optimistic: it was selected on the same runs. "
            f"`nas proxy {target}` judges the proxy with fresh seeds."
        )
    for certificate in found:  # the cheapest first
        if certificate is chosen:
            return
        law, task = certificate.forecast, certificate.proxy.task
        if law is not None and certificate.certifies(FORECAST_NAMES[law.metric]):
            settings = ", ".join(filter(None, [f"{task.epochs} epochs", difference(task, certificate.full.task)]))
            cost = f"{certificate.cost_ratio:.3f} of the full cost"
            tau = f"tau {law.tau:.2f}, {law.low:.2f} to {law.high:.2f}"
            yield (
                f"{FORECAST_NAMES[law.metric]} is certified at a lower cost, with {settings} ({tau}, {cost}): replace "
                f"{law.metric} by it in objectives and run this again. All runs are in the database."
            )
            return


def _write(target: Path, file: StudyFile, chosen: Certificate, spec: StudySpec) -> None:
    """Write the study with the chosen proxy to `target`."""
    from nas.proxy.study_file import with_proxy

    source = Path(file.where)
    base = source.resolve().parent if source.is_file() else None
    moved = base is not None and base not in (target.resolve().parent, folder("studies").resolve())
    text = with_proxy(file.text, chosen, spec, base, moved)
    try:
        write_whole(target.resolve(), lambda out: out.write(text.encode()))
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}; name another file with -o") from None


def _target(args: argparse.Namespace, file: StudyFile) -> Path:
    """The file that --search writes.

    Raises:
        UserError: it exists and is another one, or its folder is missing.
    """
    source = Path(file.where)
    if args.output is not None:
        target = Path(args.output)
    elif not source.is_file():
        target = Path(f"{stem_of(args.study)}.yaml")
    elif source.resolve().parent == folder("studies").resolve():
        target = Path(f"{source.stem}.yaml")
    else:
        target = source
    if target.exists() and not (source.is_file() and target.samefile(source)):
        raise UserError(f"{target} exists already: name another file with -o")
    if not target.absolute().parent.is_dir():
        raise UserError(f"{target}: the folder {target.absolute().parent} does not exist")
    return target


def _arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Arguments that `certify` and `cheapest` share."""
    names = ("storage", "artifacts", "necks", "seeds", "threshold")
    return {name: getattr(args, name) for name in names} | {"say": say}


def _data(certificate: Certificate, spec: StudySpec) -> dict[str, object]:
    """A certificate, and whether it certifies the objective of the study."""
    return certificate.model_dump(mode="json") | (proxy_facts(certificate, spec) or {})
