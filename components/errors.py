"""The one exception for mistakes that the user can correct.

>>> error = UserError("data.folder /photos holds no image; images must be /photos/<class>/*.")
>>> raise error
Traceback (most recent call last):
...
components.errors.UserError: data.folder /photos holds no image; images must be ...
"""


class UserError(Exception):
    """A mistake in usage, configuration or data; its text is the sentence that the user reads.

    Commands print only this text, and exit with code 2.
    """
