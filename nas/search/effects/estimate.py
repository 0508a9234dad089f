"""effects: the effect of each choice on each metric, the pairs that interact, and what sizes buy for their cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError
from nas.search.effects.design import Design, Question, design_of
from nas.search.effects.interactions import interactions
from nas.search.effects.mixed import LEAST_FREEDOM, Estimates, Fit, fit
from nas.search.effects.necks import Necks
from nas.search.effects.rates import COST, rates
from nas.search.effects.values import LEVEL, Effect, Effects, MetricEffects
from nas.studies.metrics import metric_of

Floats = NDArray[np.float64]

MINIMUM = 12
"""Trained necks from which effects are estimated: with fewer, intervals hold nearly everything."""

_CONSTANT = 1e-9
"""Relative differences up to this are rounding."""


def effects(necks: Necks, metrics: Sequence[str]) -> Effects:
    """The effects of a study.

    Args:
        necks: the trained necks.
        metrics: the metrics, the one that matters most first: rates are of that one.

    Raises:
        UserError: there are fewer than `MINIMUM` necks.
    """
    if len(necks.rows) < MINIMUM:
        raise UserError(
            f"study {necks.study!r}: {len(necks.rows)} necks of its search space are trained, and effects need "
            f"{MINIMUM}; launch it with more --trials"
        )
    responses = [_response(necks, metric) for metric in metrics]
    found: dict[str, MetricEffects] = {}
    for rows in {r.rows for r in responses}:  # metrics of the same necks are fitted together
        found |= _fitted(necks, [r for r in responses if r.rows == rows])
    measured = [v for values in necks.values if (v := values.get(COST)) is not None]
    return Effects(
        study=necks.study,
        trials=necks.trials,
        certificate=len(necks.rows) - necks.trials,
        left_out=necks.left_out,
        fixed=tuple(name for name, choices in necks.parameters.items() if len(choices) == 1),
        metrics=tuple(found[metric] for metric in metrics),
        rates=rates(found[metrics[0]], found[COST], float(np.median(measured))) if COST in found and measured else (),
    )


@dataclass(frozen=True, eq=False)
class _Response:
    """A metric over the necks that have it, on the scale on which effects add up."""

    metric: str
    logarithmic: bool
    rows: tuple[int, ...]
    values: Floats

    @property
    def reason(self) -> str:
        """Why nothing can be fitted to it."""
        if len(self.rows) < MINIMUM:
            return f"{len(self.rows)} necks have it, and effects need {MINIMUM}"
        return "" if np.ptp(self.values) > _CONSTANT * np.abs(self.values).max() else "it is the same for all necks"

    def effects(self, **found: Any) -> MetricEffects:
        """The metric's facts, and what was found."""
        mean = float(self.values.mean()) if len(self.values) else 0.0
        return MetricEffects(
            metric=self.metric,
            scale="ratio" if self.logarithmic else "difference",
            necks=len(self.rows),
            center=float(np.exp(mean)) if self.logarithmic else mean,
            reason=self.reason,
            **found,
        )


def _response(necks: Necks, metric: str) -> _Response:
    """Costs multiply: they are fitted by their logarithm."""
    found = {k: value for k, values in enumerate(necks.values) if (value := values.get(metric)) is not None}
    values = np.array(list(found.values()), np.float64)
    logarithmic = bool(metric_of(metric).unit) and bool((values > 0).all())
    return _Response(metric, logarithmic, tuple(found), np.log(values) if logarithmic else values)


def _fitted(necks: Necks, responses: Sequence[_Response]) -> dict[str, MetricEffects]:
    """The effects on metrics that the same necks have."""
    found = {r.metric: r.effects() for r in responses if r.reason}
    responses = [r for r in responses if not r.reason]
    if not responses:
        return found
    design = design_of([necks.rows[k] for k in responses[0].rows], necks.parameters)
    scales = np.array([r.values.std() for r in responses])
    data = np.stack([r.values - r.values.mean() for r in responses], 1) / scales
    answers = _answers(design, data)
    unseen = _unseen(necks, design)
    pairs = interactions(design, data)
    alone, paired = fit(design.fixed(), design.background(()), data).shares
    for k, r in enumerate(responses):
        listed = [_effect(question, answer, k, scales[k], r.logarithmic) for question, answer in answers]
        found[r.metric] = r.effects(
            explained=(float(alone[k]), float(paired[k])),
            effects=(*listed, *unseen),
            interactions=tuple(pair.value(k, scales[k], r.logarithmic) for pair in pairs[k]),
        )
    return found


def _answers(design: Design, data: Floats) -> list[tuple[Question, Estimates | str]]:
    """The estimate of each effect in question, or why there is none."""
    fits: dict[tuple[str, bool], Fit] = {}
    answers: list[tuple[Question, Estimates | str]] = []
    for question in (q for factor in design.factors for q in factor.questions):
        name = question.factor.name
        fixed = design.fixed(question.columns)
        other = design.confounded(question.columns, question.contrast, (name,))
        if np.linalg.matrix_rank(fixed) < fixed.shape[1]:
            answers.append((question, "its choices vary only together"))
        elif other is not None:
            answers.append((question, f"it varies only together with {other}"))
        elif design.necks - fixed.shape[1] < LEAST_FREEDOM:
            count = len(question.factor.choices)
            answers.append((question, f"{design.necks} necks are too few for {count} choices"))
        else:
            key = name, question.choice is None
            fits[key] = fits[key] if key in fits else fit(fixed, design.background((name,)), data)
            answers.append((question, fits[key].contrast(question.contrast)))
    return answers


def _effect(question: Question, answer: Estimates | str, k: int, scale: float, logarithmic: bool) -> Effect:
    """The answer for one metric."""
    facts: dict[str, Any] = {
        "parameter": question.factor.name,
        "choice": question.choice,
        "against": question.against,
        "necks": int(question.having.sum()),
    }
    if isinstance(answer, str):
        return Effect(**facts, reason=answer)
    value, low, high = answer.bounds(k, scale, LEVEL)
    clear = low > 0 or high < 0
    value, low, high = (float(np.exp(x)) if logarithmic else x for x in (value, low, high))
    return Effect(**facts, value=value, low=low, high=high, clear=clear)


def _unseen(necks: Necks, design: Design) -> list[Effect]:
    """The choices of the space that nothing can be said of, because no neck has them or all have."""
    found = []
    for name, choices in necks.parameters.items():
        seen = design.seen[name]
        for choice in choices if len(choices) > 1 else ():
            if choice not in seen or len(seen) == 1:
                reason = "all trained necks have it" if choice in seen else "no trained neck has it"
                found.append(
                    Effect(parameter=name, choice=choice, necks=design.necks * (choice in seen), reason=reason)
                )
    return found
