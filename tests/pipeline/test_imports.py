"""The smoke test that guards the lock: what the pipeline imports works together."""

import subprocess
import sys
from importlib import metadata

MODULES = (
    "tensorflow",
    "tf_keras",
    "tensorflow_hub",
    "tensorflow_datasets",
    "tensorflow_transform",
    "tensorflow_data_validation",
    "tensorflow_model_analysis",
    "apache_beam",
    "ml_metadata",
    "tensorboard",
    "sklearn",
    "optuna",
    "tfx.components",
    "tfx.orchestration.beam.beam_dag_runner",
    "tfx.orchestration.portable.launcher",
    "pipeline.pipeline",
    "pipeline.run.outcome",
    "pipeline.run.worker",
    "pipeline.run.compile",
)


def test_everything_imports_in_one_process_under_keras_2():
    code = (
        f"import importlib; [importlib.import_module(m) for m in {MODULES!r}];"
        "import tensorflow as tf, tf_keras; assert tf.keras.Model is tf_keras.Model"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]


def test_the_generation_is_the_one_for_this_python():
    expected = "1.16.0" if sys.version_info < (3, 11) else "1.21.0"
    assert metadata.version("tfx") == expected
