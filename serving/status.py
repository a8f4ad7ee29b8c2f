"""What is known of the versions, as TensorFlow Serving's status of a model has it.

Source: TensorFlow Serving, get_model_status.proto and the JSON of api_rest.md.

>>> for each in model_version_status(7, failures={8: "Read less bytes than requested"}):
...     print(each["version"], each["state"], each["status"])
8 END {'error_code': 'UNKNOWN', 'error_message': 'Read less bytes than requested'}
7 AVAILABLE {'error_code': 'OK', 'error_message': ''}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def model_version_status(answers: int, failures: Mapping[int, str]) -> list[dict[str, Any]]:
    """One entry a version, the highest first.

    Args:
      answers: number of the version that answers.
      failures: why versions did not load, by number.
    """
    states = {number: ("END", "UNKNOWN", reason) for number, reason in failures.items()}
    states[answers] = ("AVAILABLE", "OK", "")
    return [
        {
            "version": str(number),
            "state": state,
            "status": {"error_code": code, "error_message": reason},
        }
        for number, (state, code, reason) in sorted(states.items(), reverse=True)
    ]
