"""trained_model: the model of a trial, and where its weights are kept."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nas.errors import StoreError, UserError
from nas.models import HeadedModel, build, build_with_head
from nas.necks.architecture import Architecture
from nas.storage import Store
from nas.storage.results import TrialFacts, overview, study_record, trial_facts
from nas.studies.answer import Finalist
from nas.studies.records import Key
from nas.tasks.weights import packed, unpacked


def exported_trial(store: Store, name: str, number: int | None) -> TrialFacts:
    """The trial to export, or the one it duplicates; None: the winner of the finalists, else the best."""
    if number is None:
        found = overview(store, name)
        if found.answer is not None:
            return trial_facts(store, name, found.answer.winner.trial)
        best = found.best
        if not best:
            raise UserError(f"study {name!r} has no feasible finished trial yet; `--trial N` exports any finished one")
        number = best[0].trial
    facts = trial_facts(store, name, number)
    if facts.duplicate_of is not None:
        facts = trial_facts(store, name, facts.duplicate_of)
    if facts.state != "complete":
        raise UserError(f"trial {number} of study {name!r} is {facts.state}: only completed trials can be exported")
    return facts


def trained_key(store: Store, name: str, trial: int, finalists: Sequence[Finalist]) -> tuple[Key, Finalist | None]:
    """The key of the training whose weights are a trial's: of its full one, if it is a finalist, which comes second."""
    bound = store.trial(name, trial)
    assert bound is not None
    key = bound.key
    full = next((f for f in finalists if f.trial == trial), None)
    return (key if full is None else key.model_copy(update={"seed": full.seeds[0], "epochs": full.epochs})), full


def trained_model(store: Store, name: str, trial: int | None = None) -> tuple[HeadedModel, Key]:
    """The trained model of a trial, in eval mode, and the key of its training; None: the trial that `export` takes.

    Raises:
        UserError: there is no such trial, it was not trained to the end, or its weights were not kept.
        StoreError: they are damaged.
    """
    facts, answer = exported_trial(store, name, trial), overview(store, name).answer
    key, _ = trained_key(store, name, facts.trial, answer.finalists if answer is not None else ())
    architecture = Architecture.parse(facts.architecture).canonical()
    state = trial_weights(store, key, facts, architecture, study_record(store, name).spec.keep)
    model = build_with_head(architecture)
    model.load_state_dict(unpacked(state))
    model.to(memory_format=torch.channels_last)  # as in training: another layout sums in another order
    return model.eval(), key


def trial_weights(store: Store, key: Key, facts: TrialFacts, architecture: Architecture, keep: int | str) -> bytes:
    """The whole state of a trial's model, as safetensors.

    Raises:
        UserError: it was not kept.
        StoreError: it is damaged, or does not fit.
    """
    own = store.get_artifact(str(key), "weights")
    if own is None:
        kept = keep if keep == "all" else f"best {keep}"
        raise UserError(
            f"the weights of trial {facts.trial} of study {facts.study!r} were not kept (keep: {kept}): launch a study "
            "with `keep: all`, or export with `--format config`"
        )
    return _joined(architecture, own, store.get_artifact(f"task/{key.task}", "backbone"))


def _joined(architecture: Architecture, own: bytes, shared: bytes | None) -> bytes:
    """The model's whole state: the trial's own tensors, and the shared backbone without the levels it does not use."""
    given = (unpacked(shared) if shared is not None else {}) | unpacked(own)
    with torch.device("meta"):
        needed = build(architecture).state_dict()
    faults = [f"{name} is missing" for name in needed if name not in given]
    faults += [f"{name} is unknown" for name in given if name not in needed and not name.startswith("backbone.")]
    faults += [
        f"{name} is {tuple(given[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in needed.items()
        if name in given and given[name].shape != tensor.shape
    ]
    if faults:
        more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
        raise StoreError(f"the stored weights do not fit {architecture.digest}: {faults[0]}{more}")
    return packed({name: given[name] for name in needed})
