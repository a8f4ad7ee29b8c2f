"""What DataGate writes."""

from tfx.types.artifact import Artifact


class DataChecks(Artifact):
    """The checks that data passed, as JSON (`components.data_gate.checks`)."""

    TYPE_NAME = "BitDataChecks"
