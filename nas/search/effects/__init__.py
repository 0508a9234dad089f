"""What mattered in a study: the effect of each choice of its space on each metric, with intervals.

`necks` reads which necks were trained, `design` writes their choices as numbers, `mixed` is the model. `estimate` fits
it for each choice, `interactions` for each pair, and `rates` compares with what a choice costs. `values` is what comes
out, `sentences` and `figure` show it.
"""

from nas.search.effects.estimate import MINIMUM, effects
from nas.search.effects.figure import effects_figure
from nas.search.effects.necks import Necks, default_metrics, necks_of
from nas.search.effects.sentences import clear_lines, effect_lines
from nas.search.effects.values import Effect, Effects, Interaction, MetricEffects, Rate

__all__ = [
    "MINIMUM",
    "Effect",
    "Effects",
    "Interaction",
    "MetricEffects",
    "Necks",
    "Rate",
    "clear_lines",
    "default_metrics",
    "effect_lines",
    "effects",
    "effects_figure",
    "necks_of",
]
