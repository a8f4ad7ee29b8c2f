"""A served model converted for other runtimes, judged like any other before it is written."""
