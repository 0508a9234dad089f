"""Search spaces: which necks may be proposed, and how many there are."""

from nas.search_space.count import Count, count, nominal_frame
from nas.search_space.own import Space
from nas.search_space.space import TEMPLATES, SearchSpace
from nas.search_space.trials import Choice, Trial

__all__ = ["TEMPLATES", "Choice", "Count", "SearchSpace", "Space", "Trial", "count", "nominal_frame"]
