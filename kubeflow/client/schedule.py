"""When a recurring run starts: the cron expression, as Kubeflow Pipelines reads it."""

from __future__ import annotations

import re

from components.errors import UserError

_FIELD = re.compile(r"^[0-9A-Za-z*/,?-]+$")
_WORDS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


def check_cron(expression: str) -> str:
    """The expression with single spaces.

    Five fields are refused, not converted: the server takes them too, as seconds to month, so that
    `0 2 * * *` would run at two minutes past every hour. Whoever reads the schedule in the UI must
    see what was written here.

    Raises:
      UserError: it is no expression of six fields.
    """
    text = " ".join(expression.split())
    if text in _WORDS or re.fullmatch(r"@every ([0-9]+(h|m|s))+", text):
        return text
    fields = text.split(" ")
    if len(fields) == 5 and all(map(_FIELD.match, fields)):
        raise UserError(
            f'--cron "{text}" has five fields, and Kubeflow Pipelines starts with the seconds: '
            f'write "0 {text}".'
        )
    if len(fields) != 6 or not all(map(_FIELD.match, fields)):
        raise UserError(
            f'--cron "{text}" must have six fields: second, minute, hour, day of the month, '
            'month, day of the week; "0 0 2 * * *" is every day at two.'
        )
    return text
