"""What the systems of cells share: three stages of N cells, the stem before them, and the compiled
kernels that train them. No Keras here.
"""

from __future__ import annotations

__all__ = ["STEMS", "check_stem", "default_stem", "stage_cells"]

_MOST_CELLS = 1000  # a stage; published networks have up to 20
STEMS = ("cifar", "imagenet")


def stage_cells(num_cells) -> tuple[int, int, int]:
    """N normal cells in each of the three stages, 1000 at most; three numbers give each stage its
    own. Raises ValueError.
    """
    stages = tuple(num_cells) if isinstance(num_cells, list | tuple) else (num_cells,) * 3
    if (
        len(stages) != 3
        or not all(
            isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= _MOST_CELLS for n in stages
        )
        or stages[0] < 1
    ):
        raise ValueError(
            f"num_cells is {num_cells!r:.60}; give the number of normal cells a stage, at least 1"
            f" and at most {_MOST_CELLS}, or three such numbers."
        )
    return stages


def default_stem(input_shape) -> str:
    """The stem for images of that size: "imagenet" reduces them eightfold, which pays from 64
    pixels on.
    """
    return (
        "imagenet" if all(size is not None and size >= 64 for size in input_shape[:2]) else "cifar"
    )


def check_stem(stem: str, filters: int) -> None:
    """Raises ValueError unless there is such a stem, and `filters` is a whole number of at least
    1.
    """
    if stem not in STEMS:
        raise ValueError(f"stem is {stem!r}; there are {', '.join(STEMS)}.")
    if not isinstance(filters, int) or isinstance(filters, bool) or filters < 1:
        raise ValueError(f"filters is {filters!r}; give a whole number of at least 1.")
