"""The search itself: what is tried next, by Optuna, and what was best.

Knows nothing of training: a trial is a function of its values.

    >>> def objective(number, values, look):
    ...     return (0.9, 0.3) if values["mode"] == "full" else (0.8, 0.5)
    >>> trials = search(SearchConfig(mode=("head_only", "full")), objective)
    >>> counts_of(trials), best_of(trials).values
    ('2 complete', {'mode': 'full'})
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from components.errors import UserError
from components.tuner.config import RateRange, SearchConfig

if TYPE_CHECKING:
    import optuna

COMPLETE, PRUNED, FAILED = "complete", "pruned", "failed"
"""How a trial ends."""

RANDOM_TRIALS = 10
"""Trials at most that are drawn before the sampler learns from them; of fewer trials, half."""

Look = Callable[[int, float], None]
"""(steps, val_accuracy after them); raises `TrialPrunedError` if the trial should end."""
Objective = Callable[[int, dict[str, Any], Look], tuple[float, float]]
"""(number of the trial, its values, look) -> val_accuracy and val_loss."""


class TrialPrunedError(Exception):
    """A trial is so much worse than earlier ones that it ends."""


class TrialFailedError(Exception):
    """A trial cannot go on with its values; the text says why."""


@dataclass(frozen=True)
class Trial:
    """One trial and how it ended.

    Attributes:
      number: from 1.
      values: hyper-parameters by key.
      state: complete, pruned or failed; one whose accuracy or loss is not finite has failed.
      val_accuracy: on the images held out; None unless complete.
      val_loss: the same.
      seconds: that it took; 0 where an earlier one with the same values gives the result.
      reason: why it failed; empty where it did not.
    """

    number: int
    values: dict[str, Any]
    state: str = COMPLETE
    val_accuracy: float | None = None
    val_loss: float | None = None
    seconds: float = 0.0
    reason: str = ""


def search(
    config: SearchConfig, objective: Objective, show: Callable[[Trial], None] = lambda trial: None
) -> list[Trial]:
    """Runs trial after trial; the same under the same seed if the objective is.

    Lists alone whose combinations are no more than the trials are tried whole, in their order.

    Args:
      config: the space, the seed and the limits.
      objective: trains once.
      show: is given every trial when it is over.

    Returns:
      The trials in their order.

    Raises:
      Exception: what the objective raises beside `TrialPrunedError` and `TrialFailedError`.
    """
    study = _make_study(config)
    started = time.monotonic()
    trials: list[Trial] = []
    for number in range(1, config.most_trials + 1):
        late = config.timeout_s is not None and time.monotonic() - started >= config.timeout_s
        if trials and late:
            break
        asked = study.ask(_distributions(config))
        values = {key: _value(config.space[key], drawn) for key, drawn in asked.params.items()}
        known = next((trial for trial in trials if trial.values == values), None)
        if known:
            trial = replace(known, number=number, seconds=0.0)
        else:
            trial = _run(objective, number, values, asked)
        _tell(study, asked, trial)
        trials.append(trial)
        show(trial)
    return trials


def best_of(trials: Sequence[Trial]) -> Trial:
    """The most accurate; among equals the one with the lower loss, then the earlier one.

    Raises:
      UserError: none came to its end.
    """
    complete = [trial for trial in trials if trial.state == COMPLETE and _is_finite(trial)]
    if not complete:
        reasons = "; ".join(sorted({trial.reason for trial in trials if trial.reason}))
        raise UserError(
            f"search: none of the {len(trials)} trials came to its end ({reasons}): "
            f"{counts_of(trials)}. Lower search.base_learning_rate, or search among other values."
        )
    return min(complete, key=_rank)


def counts_of(trials: Sequence[Trial]) -> str:
    """How many trials ended in which way: `7 complete, 1 pruned, 2 failed`."""
    ended = [trial.state for trial in trials]
    found = {state: ended.count(state) for state in (COMPLETE, PRUNED, FAILED)}
    return ", ".join(f"{count} {state}" for state, count in found.items() if count)


def _is_finite(trial: Trial) -> bool:
    values = (trial.val_accuracy, trial.val_loss)
    return all(value is not None and math.isfinite(value) for value in values)


def _rank(trial: Trial) -> tuple[float, float, int]:
    assert trial.val_accuracy is not None
    assert trial.val_loss is not None
    return -trial.val_accuracy, trial.val_loss, trial.number


def _make_study(config: SearchConfig) -> optuna.Study:
    # Not at the top: only the step itself needs it.
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruner = optuna.pruners.MedianPruner() if config.pruning else optuna.pruners.NopPruner()
    drawn = min(RANDOM_TRIALS, config.trials // 2)
    sampler = optuna.samplers.TPESampler(seed=config.seed, n_startup_trials=drawn)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    if config.combinations <= config.trials:
        sizes = {key: range(len(values)) for key, values in config.space.items()}  # type: ignore[arg-type]
        for places in itertools.product(*sizes.values()):
            study.enqueue_trial(dict(zip(sizes, places, strict=True)))
    return study


def _distributions(config: SearchConfig) -> dict[str, Any]:
    """Optuna's view of the space; it sees places in a list, since a schedule can be a mapping."""
    from optuna import distributions

    return {
        key: distributions.FloatDistribution(values.low, values.high, log=True)
        if isinstance(values, RateRange)
        else distributions.CategoricalDistribution(range(len(values)))
        for key, values in config.space.items()
    }


def _value(values: RateRange | tuple[Any, ...], drawn: Any) -> Any:
    return drawn if isinstance(values, RateRange) else values[drawn]


def _run(objective: Objective, number: int, values: dict[str, Any], asked: optuna.Trial) -> Trial:
    def look(steps: int, accuracy: float) -> None:
        if not math.isfinite(accuracy):
            raise TrialFailedError(f"the accuracy after step {steps} is {accuracy}")
        asked.report(accuracy, steps)
        if asked.should_prune():
            raise TrialPrunedError

    trial, started = Trial(number, values), time.monotonic()
    try:
        accuracy, loss = objective(number, values, look)
        scored = replace(trial, val_accuracy=accuracy, val_loss=loss)
        # No comparison with NaN holds: it would be the best, or hide what is.
        reason = f"accuracy {accuracy} or loss {loss} is not finite"
        trial = scored if _is_finite(scored) else replace(trial, state=FAILED, reason=reason)
    except TrialPrunedError:
        trial = replace(trial, state=PRUNED)
    except TrialFailedError as error:
        trial = replace(trial, state=FAILED, reason=str(error))
    return replace(trial, seconds=round(time.monotonic() - started, 3))


def _tell(study: optuna.Study, asked: optuna.Trial, trial: Trial) -> None:
    from optuna.trial import TrialState

    if trial.state == COMPLETE:
        study.tell(asked, trial.val_accuracy)
    else:
        # Failed ones too: Optuna learns nothing from its failed trials, and tries similar values.
        study.tell(asked, state=TrialState.PRUNED)
