"""seal: a process that serves others takes no further code."""

from __future__ import annotations

from nas.errors import UserError

_reasons: list[str] = []


def seal(reason: str) -> None:
    """Take no further code in this process: neither plugin files nor registrations.

    Args:
        reason: ends the sentence of the refusal, such as `studies arrive over a network`.
    """
    _reasons.append(reason)


def refuse_if_sealed(what: str) -> None:
    """Check that this process still takes code.

    Raises:
        UserError: it does not.
    """
    if _reasons:
        raise UserError(f"{what} is refused, because {_reasons[0]}: install it as a package where the service runs")
