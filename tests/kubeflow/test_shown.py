"""What KFP's UI is given to show."""

from __future__ import annotations

import json
import subprocess

from kubeflow.sdk import PYTHON
from kubeflow.shown import confusion

NAMES = ("cat", "dog", "owl")


def test_rows_are_true_and_columns_predicted():
    found = confusion([0, 0, 1, 2], [0, 1, 1, 0], NAMES)["confusionMatrix"]
    assert [each["displayName"] for each in found["annotationSpecs"]] == list(NAMES)
    assert [each["row"] for each in found["rows"]] == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_an_image_without_a_class_is_in_no_column():
    found = confusion([0, 2], [-1, 2], NAMES)["confusionMatrix"]
    assert [each["row"] for each in found["rows"]] == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]


def test_it_is_what_kfps_sdk_writes():
    code = (
        "import json; from kfp import dsl; found = dsl.ClassificationMetrics();"
        "found.log_confusion_matrix(['cat', 'dog', 'owl'], [[1, 1, 0], [0, 1, 0], [1, 0, 0]]);"
        "print(json.dumps(found.metadata))"
    )
    ran = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True)
    assert confusion([0, 0, 1, 2], [0, 1, 1, 0], NAMES) == json.loads(ran.stdout)


def test_a_matrix_that_nobody_reads_is_left_out():
    assert confusion([0], [0], [str(index) for index in range(51)]) == {}
