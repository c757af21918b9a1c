"""The front of many points: those that no other is as good as in every objective."""

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled


def front(costs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each point is on the front, by its costs (points, objectives), which should be small.

    Of equal points the first is.

    >>> front(np.array([[3.0, 1.0], [1.0, 2.0], [3.0, 1.0], [3.0, 2.0]])).tolist()
    [True, True, False, False]
    """
    ordered = np.lexsort(costs.T[::-1])  # stable: of equal points the first remains
    found = np.empty(len(costs), np.bool_)
    found[ordered] = _sweep(np.ascontiguousarray(costs[ordered]))
    return found


@compiled()
def _sweep(costs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Of points in lexicographic order, where only a point before can be as good.

    What has just beaten a point is tried sooner on the next, which is near it.
    """
    points, objectives = costs.shape
    found = np.ones(points, np.bool_)
    kept = np.empty(points, np.int64)
    count = 0
    for point in range(points):
        for at in range(count):
            other = kept[at]
            for k in range(objectives):
                if costs[other, k] > costs[point, k]:
                    break
            else:
                found[point] = False
                kept[at] = kept[at // 2]
                kept[at // 2] = other
                break
        if found[point]:
            kept[count] = point
            count += 1
    return found
