"""At which weight a penalty equals the loss that it joins: a search over trainings. Pure, and free of torch.

A training with weight w ends with a penalty P(w) = w L(w) and a loss, and what is sought is r(w) = P(w) / loss = 1. L
falls as w grows, for the penalty is what w presses down. Hence loss / L(v), for any v below the smallest solution, lies
below it, too: from a weight that presses nothing the search climbs towards the solution, and cannot pass over it by
such a step. r itself need not grow: where each w's optimum is reached, it rises to at most a quarter of what the
penalised change gains, and falls again. r = 1 may then come far beyond: where an optimizer's jitter, which no weight
presses down, is all that is left of what is penalised. What r is there hangs on the draws. So each trial says what is
left, L(w) / L(0), and a solution is one only if trainings with that weight and other draws agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

FEATHER = 1e-20  # a weight that presses nothing, and leaves the penalty's value to be read
NEAR = 2**0.25  # r in [1 / NEAR, NEAR] ends the search
AGREE, AGAIN = 2.0, 2  # so many more trainings, of other draws, have r in [1 / AGREE, AGREE]
STEP, LEAP = 4.0, 100.0  # the least and the most that a weight is raised by at once
REACH = 1e9  # beyond the first guess by so much, nothing is looked for


@dataclass(frozen=True)
class Ended:
    """How a training ended: its loss, and one penalty, weighted."""

    loss: float
    penalty: float

    @property
    def share(self) -> float:
        """r: the penalty over the loss."""
        return self.penalty / self.loss


@dataclass(frozen=True)
class Trial:
    """A training with a weight: r, and what was left of the penalty's unweighted value, L(w) / L(0)."""

    weight: float
    share: float
    left: float


@dataclass
class Balance:
    """What the search found.

    chosen: the trial of the smallest weight found at which the penalty is near the loss, whatever the draws; None where
    there is none, and reason says why. trials: all, in order, but those that only repeat one with other draws.
    """

    chosen: Trial | None = None
    trials: list[Trial] = field(default_factory=list)
    reason: str = ""


def balance(train: Callable[[float, int], Ended], trainings: int = 12) -> Balance:
    """Search from below; a crossing that was stepped over is closed in on by halving its logarithm.

    Args:
        train: a training with a weight and the draws of that number; the search's are 0.
        trainings: how many there are at most of draws 0, the one that presses nothing included.
    """
    free = train(FEATHER, 0)
    found = Balance()
    if free.penalty <= 0:
        found.reason = "it is 0 at the end of the training"
        return found
    unpressed = free.penalty / FEATHER
    first = weight = free.loss / unpressed
    low, high = 0.0, math.inf
    for _ in range(trainings - 1):
        ended = train(weight, 0)
        share = ended.share
        found.trials.append(_trial(weight, ended, unpressed))
        if 1 / NEAR <= share <= NEAR:
            _confirm(train, found, unpressed)
            return found
        if share < 1:
            low = weight
        else:
            high = weight
        if high < math.inf:
            weight = math.sqrt(low * high) if low else high / STEP
        else:
            weight *= min(max(1 / share, STEP) if share > 0 else LEAP, LEAP)
        if weight > first * REACH:
            break
    best = max(found.trials, key=lambda trial: -abs(math.log(max(trial.share, 1e-300))))
    near = f"{best.share:.2g} of the loss, at {best.weight:.3g}"
    if high == math.inf:
        found.reason = f"it was at most {near}, as a larger weight presses down what it weighs"
    else:
        found.reason = f"{len(found.trials)} trainings came no nearer than {near}"
    return found


def _trial(weight: float, ended: Ended, unpressed: float) -> Trial:
    return Trial(weight, ended.share, ended.penalty / weight / unpressed)


def _confirm(train: Callable[[float, int], Ended], found: Balance, unpressed: float) -> None:
    """Choose the last trial's weight if other draws agree; once, the one that brings their middle to 1."""
    for attempt in range(2):
        last = found.trials[-1]
        shares = [last.share, *(train(last.weight, draw).share for draw in range(1, AGAIN + 1))]
        if all(1 / AGREE <= share <= AGREE for share in shares):
            found.chosen = last
            return
        least, most = min(shares), max(shares)
        if attempt or most > AGREE**2 * least:
            break
        weight = last.weight / math.sqrt(least * most)
        ended = train(weight, 0)
        found.trials.append(_trial(weight, ended, unpressed))
    told = ", ".join(f"{share:.2g}" for share in shares)
    found.reason = (
        f"at {last.weight:.3g}, where {last.left:.1g} is left of what it penalises, it is {told} of the loss in "
        "trainings that differ in their noise alone: the optimizer's jitter decides there, not the weight"
    )
