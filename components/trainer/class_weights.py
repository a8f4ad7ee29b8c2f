"""How much an image of each class counts in the loss.

`balanced` is scikit-learn's `compute_class_weight("balanced", ...)`: images / (classes * images of
the class). The mean over the images is 1, so that the learning rate keeps its meaning.

    >>> balanced([90, 10])
    (0.5555555555555556, 5.0)
    >>> class_weights({"rose": 2.0}, ("daisy", "rose"), lambda: [90, 10])
    (1.0, 2.0)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from components.errors import UserError


def balanced(counts: Sequence[int]) -> tuple[float, ...]:
    """The weight of each class, from how many training images it has.

    A class without any is not counted, and its own weight is 1: nothing is multiplied by it.
    """
    total, present = sum(counts), sum(count > 0 for count in counts)
    return tuple(total / (present * count) if count else 1.0 for count in map(int, counts))


def class_weights(
    given: str | Mapping[str, float] | None,
    class_names: Sequence[str],
    count: Callable[[], Sequence[int]],
) -> tuple[float, ...] | None:
    """The weight of each class; None if all count alike.

    Args:
      given: `training.class_weights`.
      class_names: names by class index.
      count: gives the number of training images of each class.

    Raises:
      UserError: a name is no class.
    """
    if given is None:
        return None
    if isinstance(given, str):
        return balanced(count())
    if unknown := given.keys() - set(class_names):
        raise UserError(
            f"training.class_weights: there is no class {', '.join(map(repr, sorted(unknown)))}; "
            f"there are: {', '.join(class_names)}."
        )
    return tuple(given.get(name, 1.0) for name in class_names)
