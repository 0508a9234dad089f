"""nas proxy: does a study's short training rank necks as the full one does, and how cheap may it be?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.cli import options
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.studies.catalog import StudyFile
    from nas.studies.certificate import Certificate
    from nas.studies.spec import StudySpec

HELP = "validate a study's proxy: train a sample of necks both ways and compare the rankings"
EXAMPLE = "nas proxy studies/bccd.yaml --set task.data.root=PATH --necks 24 --seeds 2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_launched(parser)
    # The defaults stand in nas.studies.certificate, which is not needed for the words of the help.
    parser.add_argument("--necks", metavar="N", type=int, help="spread necks to train (default: 24)")
    parser.add_argument("--seeds", metavar="N", type=int, help="seeds to train each with (default: 2)")
    parser.add_argument("--threshold", metavar="T", type=float, help="tau to be reached (default: 0.65)")
    parser.add_argument(
        "--search", action="store_true", help="find the cheapest training that reaches it, and write it to the study"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        help="where --search writes (default: the file; a shipped one here)",
    )
    parser.add_argument("--dry-run", action="store_true", help="tell what would be trained, and train nothing")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    from nas.studies.certificate import MINIMUM, NECKS, SEEDS, THRESHOLD

    for name, default, least in (("necks", NECKS, MINIMUM), ("seeds", SEEDS, 1), ("threshold", THRESHOLD, 0)):
        if getattr(args, name) is None:
            setattr(args, name, default)
        if getattr(args, name) < least:
            raise UserError(f"--{name} {getattr(args, name)}: it takes at least {least}")
    if not args.threshold <= 1:  # nan too
        raise UserError(f"--threshold {args.threshold}: tau is at most 1")
    if args.output is not None and not args.search:
        raise UserError("-o names the study file that --search writes: give --search too, or leave it out")
    file = options.launched(args)
    spec = options.sound(file)
    with file.locating():
        if args.dry_run:
            return _dry_run(args, file, spec)
        return _search(args, file, spec) if args.search else _certify(args, spec)


def _dry_run(args: argparse.Namespace, file: StudyFile, spec: StudySpec) -> int:
    from nas.cli.tables import outlook_lines
    from nas.proxy import check_search, outlook

    if args.search:
        check_search(spec, args.seeds)
        _target(args, file)
    found = outlook(spec, storage=args.storage, necks=args.necks, seeds=args.seeds, say=options.say)
    if args.json:
        options.print_json(found.to_dict())
    else:
        print(*outlook_lines(found, search=args.search), sep="\n")
    return 0


def _certify(args: argparse.Namespace, spec: StudySpec) -> int:
    from nas.cli.tables import certificate_lines
    from nas.proxy import certify

    found = certify(spec, **_words(args))
    if args.json:
        options.print_json(_told(found, spec))
    else:
        print(*certificate_lines(found), sep="\n")
    return 0


def _search(args: argparse.Namespace, file: StudyFile, spec: StudySpec) -> int:
    """0 where a proxy was found, 1 where none is certified."""
    from nas.proxy import cheapest
    from nas.studies.certificate import first_certified

    target = _target(args, file)
    found = cheapest(spec, **_words(args))
    chosen = first_certified(found, spec)
    if chosen is not None:
        _write(target, _changed(file, chosen, spec, target))
    if args.json:
        options.print_json(_searched(found, chosen, spec, target))
    else:
        _tell_search(found, chosen, spec, target, args.threshold)
    return 0 if chosen is not None else 1


def _changed(file: StudyFile, chosen: Certificate, spec: StudySpec, target: Path) -> str:
    """The text of the study with the proxy that was chosen, as it is to stand in `target`."""
    from nas.proxy.study_file import with_proxy
    from nas.studies.catalog import folder

    source = Path(file.where)
    base = source.resolve().parent if source.is_file() else None
    moved = base is not None and base not in (target.resolve().parent, folder("studies").resolve())
    return with_proxy(file.text, chosen, spec, base, moved)


def _searched(
    found: Sequence[Certificate], chosen: Certificate | None, spec: StudySpec, target: Path
) -> dict[str, Any]:
    """What was tried and chosen, as data."""
    from nas.proxy.settings import difference
    from nas.studies.verdict import proxy_facts

    tried = [
        {"epochs": c.proxy.task.epochs, "setting": difference(c.proxy.task, c.full.task)} | (proxy_facts(c, spec) or {})
        for c in found
    ]
    best = _told(chosen, spec) if chosen is not None else None
    return {"chosen": best, "file": str(target) if chosen else None, "proxies": tried}


def _tell_search(
    found: Sequence[Certificate], chosen: Certificate | None, spec: StudySpec, target: Path, threshold: float
) -> None:
    """The same for people."""
    from nas.cli.tables import proxies_table
    from nas.proxy.settings import difference
    from nas.studies.certificate import LOW

    print(proxies_table(found), end="\n\n")
    most = max(found, key=lambda c: c.necks, default=None)  # some may have been left early
    if most is not None and most.tau_finest is not None:
        full = "" if most.tau_full is None else f", another full run {most.tau_full:.2f}"
        print(f"The finest level alone, with no training, has tau {most.tau_finest:.2f}{full}.")
    if chosen is None:
        print(f"No cheaper training reaches tau {threshold:g} with an interval above {LOW:g}.")
    else:
        print(chosen.verdict)
        setting = difference(chosen.proxy.task, spec.task)
        print(f"{target}: task.epochs is {chosen.proxy.task.epochs} now{setting and ', '}{setting}")
        print(f"What was chosen looks a little better than it is: `nas proxy {target}` judges it anew, by fresh seeds.")
    _tell_forecast(found, chosen)


def _tell_forecast(found: Sequence[Certificate], chosen: Certificate | None) -> None:
    """Say so if the forecast of the score would do at a lower cost than what was chosen."""
    from nas.proxy.settings import difference
    from nas.studies.forecast import FORECAST_NAMES

    for certificate in found:  # the cheapest first
        if certificate is chosen:
            return
        law = certificate.forecast
        if law is not None and certificate.certifies(FORECAST_NAMES[law.metric]):
            name, task = FORECAST_NAMES[law.metric], certificate.proxy.task
            settings = ", ".join(filter(None, [f"{task.epochs} epochs", difference(task, certificate.full.task)]))
            figures = (
                f"tau {law.tau:.2f}, {law.low:.2f} to {law.high:.2f}, {certificate.cost_ratio:.3f} of the full cost"
            )
            way = f"put it in the place of {law.metric} in objectives and ask again: the runs are in the database"
            print(f"{name} would do at less, with {settings} ({figures}): {way}.")
            return


def _write(target: Path, text: str) -> None:
    from nas.files import write_whole

    try:
        write_whole(target.resolve(), lambda file: file.write(text.encode()))
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}; name another file with -o") from None


def _words(args: argparse.Namespace) -> dict[str, Any]:
    """What both questions take."""
    names = ("storage", "artifacts", "necks", "seeds", "threshold")
    return {name: getattr(args, name) for name in names} | {"say": options.say}


def _target(args: argparse.Namespace, file: StudyFile) -> Path:
    """Where the study with its new proxy is written to.

    Raises:
        UserError: another file is there.
    """
    from nas.files import stem_of
    from nas.studies.catalog import folder

    source = Path(file.where)
    own = source.is_file() and source.resolve().parent != folder("studies").resolve()
    target = args.output or (
        source if own else Path(f"{source.stem if source.is_file() else stem_of(args.study)}.yaml")
    )
    if target.exists() and not (source.is_file() and target.samefile(source)):
        raise UserError(f"{target} exists already: name another file with -o")
    if not target.absolute().parent.is_dir():
        raise UserError(f"{target}: the folder {target.absolute().parent} does not exist")
    return Path(target)


def _told(certificate: Certificate, spec: StudySpec) -> dict[str, object]:
    """All of it, and whether it certifies what the study goes by."""
    from nas.studies.verdict import proxy_facts

    return certificate.model_dump(mode="json") | (proxy_facts(certificate, spec) or {})
