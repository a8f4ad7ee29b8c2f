"""The one exception for what a user can mend."""


class UserError(Exception):
    """A mistake in usage, configuration or data; its text is the sentence that the user reads.

    Commands print the text alone and end with exit code 2.
    """
