"""Compiled sweeps of :mod:`.dual`: every example's dual variables in turn, each solved exactly.

``a[i, k]`` is the slope of example ``i``'s loss in its ``k``-th margin times its share ``p[i]`` of
the objective. What a loss allows (``cap`` for one slope, ``total`` for their sum) and how much of
a step it takes (``h``, below 1 where the loss is curved) is all that the kernels know of it.
"""

from typing import Any

from visualwords.compiling import inner, kernel

__all__ = ["CLASSES", "LANES", "sweep_products", "sweep_rows"]

# A step that changes no margin by more than this is left out.
NEGLIGIBLE = 1e-12
# Scores are computed for so many classes at a time, with columns in whole vectors of 64 bytes.
CLASSES, LANES = 2, 16
# Sums may be split over vector lanes; NaN and infinity keep their meaning.
MATH = {"reassoc", "contract", "nsz"}


@inner
def _excess(z: Any, y: int, t: float, h: float, cap: float, total: float) -> tuple[float, float]:
    """Compute ``sum over k != y of clip(h (z_k - t), 0, cap) - min(t, total)`` and its descent."""
    excess, descent = -min(t, total), 1.0 if t < total else 0.0
    for k in range(len(z)):
        if k != y:
            v = h * (z[k] - t)
            excess += min(max(v, 0.0), cap)
            if 0.0 < v < cap:
                descent += h
    return excess, descent


@inner
def _level(z: Any, y: int, high: float, h: float, cap: float, total: float) -> float:
    """Find the ``t`` where :func:`_excess` is 0, by Newton's method within a shrinking bracket."""
    low, t, enough = 0.0, 0.0, 1e-14 * high
    for _ in range(100):
        excess, descent = _excess(z, y, t, h, cap, total)
        if abs(excess) <= enough:
            break
        if excess > 0:
            low = t
        else:
            high = t
        t = t + excess / descent if descent > 0 else low
        if not low < t < high:
            t = (low + high) / 2
    return t


@inner
def _solve_coupled(
    s: Any, own: int, a: Any, cap: float, total: float, h: float, q: float, step: Any
) -> None:
    """Set ``step`` to how the best slopes of margins ``1 + s_k - s_y`` differ from ``a``."""
    sum_ = highest = new_sum = 0.0
    for k in range(len(a)):
        sum_ += a[k]
    for k in range(len(a)):
        step[k] = (1 + s[k] - s[own]) / q + a[k] + sum_
        if k != own:
            highest = max(highest, step[k])
    t = _level(step, own, highest, h, cap, total) if highest > 0 else 0.0
    for k in range(len(a)):
        step[k] = min(max(h * (step[k] - t), 0.0), cap) if k != own else 0.0
        new_sum += step[k]
    shrink = total / new_sum if new_sum > total else 1.0
    for k in range(len(a)):
        step[k] = step[k] * shrink - a[k]


@inner
def _solve_separate(s: Any, own: int, a: Any, cap: float, q: float, step: Any) -> None:
    """Set ``step`` to how the best slopes of margins ``1 - t_k s_k`` differ from ``a``."""
    for k in range(len(a)):
        sign = -1.0 if k == own else 1.0
        step[k] = min(max(a[k] + (1 + sign * s[k]) / q, 0.0), cap) - a[k]


@inner
def _relax(a: Any, cap: float, total: float, coupled: bool, relaxation: float, step: Any) -> None:
    """Lengthen a step, as far as the slopes stay allowed: successive over-relaxation."""
    length, room, rise = relaxation, total, 0.0
    for k in range(len(a)):
        if step[k] != 0:
            length = min(length, ((cap if step[k] > 0 else 0.0) - a[k]) / step[k])
        room -= a[k]
        rise += step[k]
    if coupled and rise > 0:
        length = min(length, room / rise)
    if length > 1:
        for k in range(len(a)):
            step[k] *= length


@inner
def _improve(
    s: Any,
    own: int,
    limit: Any,
    coupled: bool,
    relaxation: float,
    a: Any,
    b: Any,
    rho: float,
    step: Any,
) -> bool:
    """Make the slopes ``a`` of an example with scores ``s`` the best while all others stay.

    Turns ``step`` into the change of the derivatives by scores, follows it with the intercepts
    ``b``, and says whether there is any to speak of.
    """
    cap, total, h, q = limit[0], limit[1], limit[2], limit[3]
    if coupled:
        _solve_coupled(s, own, a, cap, total, h, q, step)
    else:
        _solve_separate(s, own, a, cap, q, step)
    moved, sum_ = False, 0.0
    for k in range(len(a)):
        if abs(step[k]) * q <= NEGLIGIBLE:
            step[k] = 0.0
        else:
            moved = True
    if moved:
        _relax(a, cap, total, coupled, relaxation, step)
        for k in range(len(a)):
            a[k] += step[k]
            sum_ += step[k]
        step[own] = -sum_ if coupled else -step[own]
        for k in range(len(a)):
            b[k] -= rho * step[k]
    return moved


@kernel
def sweep_products(
    order: Any,
    y: Any,
    limits: Any,
    coupled: bool,
    relaxation: float,
    a: Any,
    b: Any,
    rho: float,
    moved: Any,
    G: Any,
    S: Any,
    s: Any,
    step: Any,
) -> None:
    """Improve the slopes of each example in turn; keep all scores up to date.

    Parameters
    ----------
    order : ndarray of shape (m,)
        The examples to visit.
    y : ndarray of shape (n,)
    limits : ndarray of shape (n, 4)
        Highest slope, highest sum of slopes, shortening of the step, curvature.
    coupled : bool
        Whether margins are ``1 + s_k - s_y``, otherwise ``1 - t_k s_k``.
    relaxation : float in [1, 2)
        How much longer a step is, where allowed, than the best while all others stay.
    a : ndarray of shape (n, n_classes)
        Slopes; changed.
    b : ndarray of shape (n_classes,)
        Intercepts; changed.
    rho : float
        How fast the intercepts follow the slopes.
    moved : ndarray of bool of shape (n,)
        Set to whether an example's slopes changed.
    G : ndarray of shape (n, n)
        Products of the rows, divided by alpha.
    S : ndarray of shape (n, n_classes)
        Scores, without intercepts; changed.
    s, step : ndarray of shape (n_classes,)
        Room to work.
    """
    for i in order:
        for k in range(len(s)):
            s[k] = S[i, k] + b[k]
        moved[i] = _improve(s, y[i], limits[i], coupled, relaxation, a[i], b, rho, step)
        if moved[i]:
            for j in range(len(S)):
                g = G[i, j]
                for k in range(len(step)):
                    S[j, k] -= g * step[k]


@inner(fastmath=MATH)
def _scores(x0: Any, x1: Any, x2: Any, x3: Any, W: Any, out: Any) -> None:
    """Compute the products of four rows with all weights: eight sums in registers."""
    zero = x0.dtype.type(0)
    for k in range(0, len(W), 2):
        w0, w1 = W[k], W[k + 1]
        p0 = p1 = q0 = q1 = r0 = r1 = s0 = s1 = zero
        for j in range(len(x0)):
            a, b, c, d, w = x0[j], x1[j], x2[j], x3[j], w0[j]
            p0, q0, r0, s0 = p0 + a * w, q0 + b * w, r0 + c * w, s0 + d * w
            w = w1[j]
            p1, q1, r1, s1 = p1 + a * w, q1 + b * w, r1 + c * w, s1 + d * w
        out[0, k], out[1, k], out[2, k], out[3, k] = p0, q0, r0, s0
        out[0, k + 1], out[1, k + 1], out[2, k + 1], out[3, k + 1] = p1, q1, r1, s1


@inner(fastmath=MATH)
def _products(x0: Any, x1: Any, x2: Any, x3: Any, G: Any) -> None:
    """Compute the products of each of four rows with those before it."""
    a = b = c = d = e = f = x0.dtype.type(0)
    for j in range(len(x0)):
        a += x1[j] * x0[j]
        b += x2[j] * x0[j]
        c += x2[j] * x1[j]
        d += x3[j] * x0[j]
        e += x3[j] * x1[j]
        f += x3[j] * x2[j]
    G[1, 0], G[2, 0], G[2, 1], G[3, 0], G[3, 1], G[3, 2] = a, b, c, d, e, f


@inner(fastmath={"contract"})
def _subtract(x0: Any, x1: Any, x2: Any, x3: Any, steps: Any, W: Any) -> None:
    """Subtract ``steps.T @ rows`` from the weights."""
    for k in range(steps.shape[1]):
        p, q, r, s = steps[0, k], steps[1, k], steps[2, k], steps[3, k]
        if p != 0 or q != 0 or r != 0 or s != 0:
            w = W[k]
            for j in range(len(w)):
                w[j] -= p * x0[j] + q * x1[j] + r * x2[j] + s * x3[j]


@kernel
def sweep_rows(
    order: Any,
    y: Any,
    limits: Any,
    coupled: bool,
    relaxation: float,
    a: Any,
    b: Any,
    rho: float,
    moved: Any,
    X: Any,
    offset: Any,
    W: Any,
    alpha: float,
    S: Any,
    G: Any,
    s: Any,
    steps: Any,
    by_columns: Any,
) -> None:
    """Improve the slopes of each example in turn; keep the weights up to date.

    Four examples at a time are multiplied with the weights; what the first of them change in the
    scores of the others follows from the products of their rows. The first parameters are those of
    :func:`sweep_products`, and

    Parameters
    ----------
    X : ndarray of shape (n + 1, d)
        The rows, of which the last is zeros; ``d`` is a multiple of ``LANES``.
    offset : ndarray of shape (n, n_classes)
        Of the scores.
    W : ndarray of shape (w, d), dtype of X
        Weights; changed. ``w`` is ``n_classes`` rounded up to a multiple of ``CLASSES``.
    alpha : float
    S : ndarray of shape (4, w), dtype of X
    G : ndarray of shape (4, 4), dtype of X
    s : ndarray of shape (n_classes,)
    steps : ndarray of shape (4, n_classes)
    by_columns : ndarray of shape (4, n_classes), dtype of X
        Room to work.
    """
    for start in range(0, len(order), 4):
        count = min(4, len(order) - start)
        x0 = X[order[start]]
        x1 = X[order[start + 1]] if count > 1 else X[-1]
        x2 = X[order[start + 2]] if count > 2 else X[-1]
        x3 = X[order[start + 3]] if count > 3 else X[-1]
        _scores(x0, x1, x2, x3, W, S)
        _products(x0, x1, x2, x3, G)
        for r in range(count):
            i = order[start + r]
            for k in range(len(s)):
                s[k] = S[r, k] + offset[i, k] + b[k]
                for before in range(r):
                    s[k] -= G[r, before] / alpha * steps[before, k]
            moved[i] = _improve(s, y[i], limits[i], coupled, relaxation, a[i], b, rho, steps[r])
        for r in range(4):
            for k in range(len(s)):
                by_columns[r, k] = steps[r, k] / alpha if r < count else 0
        _subtract(x0, x1, x2, x3, by_columns, W)
