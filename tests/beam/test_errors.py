"""What goes wrong on workers of another process is told as if it went wrong here."""

import shutil
import time

import pytest

from tests.beam.conftest import free_port
from tests.e2e.conftest import QUICK


@pytest.fixture(scope="module")
def damaged(tfds_dir, tmp_path_factory):
    """digits with 300 records in the file that is said to hold 1,797."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("damaged")
    shutil.copytree(tfds_dir / "digits", folder / "digits")
    path = str(next((folder / "digits").rglob("*.tfrecord*")))
    records = list(tf.data.TFRecordDataset(path).as_numpy_iterator())
    with tf.io.TFRecordWriter(path) as writer:
        for record in records[:300]:
            writer.write(record)
    return folder


@pytest.mark.slow
def test_a_worker_that_finds_too_few_records_fails_the_step(run, services, damaged, tmp_path):
    # 25 s.
    ended = run(
        tmp_path,
        *QUICK,
        "data.splits.train=train[5%:20%]",
        "data.splits.eval=train[:5%]",
        *services.overrides(),
        environment={"TFDS_DATA_DIR": str(damaged)},
    )
    assert ended.exit_code == 1
    assert ended.states["ImageExampleGen"] == "failed"
    assert ended.states["Trainer"] == "skipped"
    (reason,) = ended.summary["reasons"]
    assert reason.startswith(
        "ImageExampleGen: RuntimeError: split train: 210 records were read, but the data set has "
        "269; its files are damaged."
    )
    assert "Prepare the data set again." in " ".join(ended.out.split())


@pytest.mark.parametrize("key", ["job_endpoint", "environment_config"])
def test_a_service_that_nobody_offers_is_told_before_a_step(run, request, key, tmp_path):
    # 15 s each, of which TFX's imports are 11.
    nobody = f"localhost:{free_port()}"
    if key == "job_endpoint":
        options = f"{{job_endpoint: '{nobody}', environment_type: LOOPBACK}}"
        overrides = ("beam.runner=PortableRunner", f"beam.options={options}")
    else:
        overrides = request.getfixturevalue("services").overrides(**{key: nobody})
    started = time.monotonic()
    ended = run(tmp_path, *QUICK, *overrides)
    assert time.monotonic() - started < 120
    assert ended.exit_code == 2
    (reason,) = ended.summary["reasons"]
    assert reason.startswith(f"beam.options.{key} {nobody}: no service listens there")
    assert set(ended.states.values()) == {"skipped"}


def test_an_option_that_beam_cannot_read_is_told_before_a_step(run, tmp_path):
    ended = run(tmp_path, *QUICK, "beam.options.direct_num_workers=many")
    assert ended.exit_code == 2
    (reason,) = ended.summary["reasons"]
    assert reason.startswith("beam.options: Beam refuses argument --direct_num_workers")
    assert "many" in reason


def test_dataflow_with_a_folder_of_this_machine_is_refused(run, tmp_path):
    options = "{project: p, region: r, temp_location: gs://b/t, sdk_container_image: i}"
    ended = run(tmp_path, *QUICK, "beam.runner=DataflowRunner", f"beam.options={options}")
    assert ended.exit_code == 2
    (reason,) = ended.summary["reasons"]
    assert "its workers cannot reach" in reason
