"""What necks must know of our operators. Importable without torch: studies are checked without it."""

from nas.necks.operators import Fusion

MAXIMUM = Fusion("the greatest of the inputs at every place", associative=True)
