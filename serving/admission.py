"""Which versions may answer: all, or those that the owner of a key signed.

A server loads a version from where its admission says:

    from serving.admission import signed_by

    with signed_by("public.pem")(Path("runs/digits/serving/1796063183")) as folder:
        tf.saved_model.load(str(folder))
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from components.pusher.signature import fault_of, number_fault_of
from components.storage import AnyPath, on_disk

Admission = Callable[[AnyPath], AbstractContextManager[AnyPath]]
"""From a version's folder to where it is loaded from; raises `NotAdmittedError`."""


class NotAdmittedError(Exception):
    """Why a version may not answer, as a clause."""


@contextlib.contextmanager
def all_versions(folder: AnyPath) -> Iterator[AnyPath]:
    """Admits every version."""
    yield folder


def signed_by(key: str) -> Admission:
    """Admits versions that were pushed with the private key, under the number of their push.

    Of a version in an object store a copy is checked and loaded: what is there may change between.

    Args:
      key: file of the public key.
    """

    @contextlib.contextmanager
    def admitted(folder: AnyPath) -> Iterator[AnyPath]:
        with on_disk(folder) as there:
            fault = fault_of(there, key) or number_fault_of(there)
            if fault:
                raise NotAdmittedError(fault)
            yield there

    return admitted
