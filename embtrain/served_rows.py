"""The rows of a question to a served version, as strings."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from pandas.api.types import is_list_like


def rows_of(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return some columns, a null as the empty string.

    MLflow makes a single row of a dictionary of lists, ``{"text": ["a", "b"]}``; here it is a row for each item again,
    and of empty lists none.
    """
    cells = table[list(columns)]
    is_there = ~cells.map(lambda cell: is_list_like(cell) and not len(cell)).any(axis=1)
    return cells[is_there].explode(list(columns)).fillna("")
