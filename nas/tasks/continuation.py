"""Continuation: a training that another process can resume at its end for more epochs, bit for bit."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import NASError
from nas.studies.records import Progress
from nas.tasks.training import Training

FROZEN = "backbone."
"""Parameters under this name are left out of a state where the backbone is frozen: every worker has them."""


class Continuation:
    """The training of one model, which may resume the `state` of a shorter one with the same seed and settings.

    At a constant learning rate a training of 8 epochs begins as one of 4, so the state after 4 epochs is all that is
    needed (see decisions: constant-rate-and-average).

    Raises:
        NASError: `state` is damaged, or is that of another model or task.
    """

    def __init__(self, model: nn.Module, training: Training, *, frozen: bool, state: bytes | None = None) -> None:
        self.model = model
        self.training = training
        self.frozen = frozen
        if state is not None:
            self._load(state)

    def run(self) -> Iterator[Progress]:
        """Train to the last epoch, one Progress an epoch.

        Raises:
            TrialFailed: the loss is not finite.
        """
        yield from self.training.run()

    def state(self) -> bytes:
        """All that a longer training needs to go on from here."""
        model = self.model.state_dict()
        if self.frozen:
            model = {name: x for name, x in model.items() if not name.startswith(FROZEN)}
        buffer = io.BytesIO()
        torch.save({"model": model, "training": self.training.state_dict(), "random": random_states()}, buffer)
        return buffer.getvalue()

    def _load(self, state: bytes) -> None:
        try:
            device = next(self.model.parameters()).device
            found: dict[str, Any] = torch.load(io.BytesIO(state), weights_only=True, map_location=device)
            missing, unexpected = self.model.load_state_dict(found["model"], strict=False)
            if unexpected or any(not name.startswith(FROZEN) for name in missing):
                raise ValueError(f"{(*unexpected, *missing)[0]} is not in both")
            self.training.load_state_dict(found["training"])
            set_random_states(found["random"])
        except (RuntimeError, ValueError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
            raise NASError(f"the state of a training cannot be resumed ({error})") from error


def random_states() -> list[Tensor]:
    """torch's random states, the CPU's first."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])]


def set_random_states(states: Sequence[Tensor]) -> None:
    """The inverse of `random_states`."""
    torch.set_rng_state(states[0].cpu())
    if states[1:]:
        torch.cuda.set_rng_state_all([state.cpu() for state in states[1:]])
