"""The examples of docs/how-to/beam.md, as far as Beam itself can judge them without a cluster."""

import re

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner
from apache_beam.runners.portability.flink_runner import FlinkRunner
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.runners.portability.prism_runner import PrismRunner
from apache_beam.runners.portability.spark_runner import SparkRunner
from apache_beam.runners.portability.stager import Stager
from ruamel.yaml import YAML

from pipeline.config.beam import BeamConfig, beam_pipeline_args
from pipeline.inputs.code import ROOT

TEXT = (ROOT / "docs" / "how-to" / "beam.md").read_text(encoding="utf-8")
EXAMPLES = [
    YAML(typ="safe", pure=True).load(block)["beam"]
    for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
]
RUNNERS = {
    runner.__name__: runner
    for runner in (PortableRunner, PrismRunner, DataflowRunner, FlinkRunner, SparkRunner)
}


def example(runner):
    (found,) = (section for section in EXAMPLES if section["runner"] == runner)
    return BeamConfig.model_validate(found)


def test_every_runner_has_one():
    assert sorted(section["runner"] for section in EXAMPLES) == sorted(RUNNERS)


@pytest.mark.parametrize("runner", RUNNERS)
def test_beam_knows_every_option_of_it(runner, caplog):
    config = example(runner)
    flags = beam_pipeline_args(config)
    parsed = PipelineOptions(flags).get_all_options()
    assert "Discarding" not in caplog.text
    for name, value in config.given().items():
        found = parsed.get("use_public_ips" if name == "no_use_public_ips" else name)
        if isinstance(value, tuple):
            assert found == list(value), name
        elif value is True:
            assert found is (name != "no_use_public_ips"), name
        else:
            assert str(found) == str(value), name


@pytest.mark.parametrize("runner", RUNNERS)
def test_beams_own_validator_has_nothing_against_it(runner):
    # Without dry_run it asks Cloud Storage about the bucket, two minutes long.
    options = PipelineOptions([*beam_pipeline_args(example(runner)), "--dry_run=True"])
    assert PipelineOptionsValidator(options, RUNNERS[runner]()).validate() == []


def test_beam_drops_what_it_does_not_know_with_a_line_in_the_log(caplog):
    config = BeamConfig(options={"no_such_option": "x"})
    assert "no_such_option" not in PipelineOptions(beam_pipeline_args(config)).get_all_options()
    assert "Discarding" in caplog.text


@pytest.mark.parametrize("runner", ["FnApiRunner", "PortableRunner"])
def test_no_job_lists_what_is_installed_here(runner, caplog, tmp_path):
    """uv installs no pip, and Beam warned in every step's log that it cannot run it."""
    config = BeamConfig() if runner == "FnApiRunner" else example(runner)
    flags = [flag for flag in beam_pipeline_args(config) if "setup_file" not in flag]
    Stager.create_job_resources(PipelineOptions(flags), str(tmp_path))
    assert "submission environment" not in caplog.text
    assert list(tmp_path.iterdir()) == []
    # Beam's own default.
    Stager.create_job_resources(PipelineOptions([f"--runner={runner}"]), str(tmp_path))
    assert "submission environment" in caplog.text or list(tmp_path.iterdir())


def test_dataflow_builds_the_job_of_example_gen_in_a_dry_run(tmp_path):
    import apache_beam as beam

    from components.drafts import Drafts
    from components.example_gen.config import ScreenConfig
    from components.example_gen.executor import combined, copy_shard, leave_copied
    from components.example_gen.sources.tfds_shard import TfdsShard

    drafts = Drafts("gs://b/o/unfinished")
    given = example("DataflowRunner")
    # The source package is built and staged by test_package.py; a dry run has no bucket.
    options = {**given.options, "dry_run": "True", "no_auth": True}
    flags = beam_pipeline_args(given.model_copy(update={"options": options, "setup_file": None}))
    pipeline = beam.Pipeline(argv=flags)
    _ = (
        pipeline
        | beam.Create([TfdsShard("train", 0, 1, "gs://b/a", 0, 1, file_format="tfrecord")])
        | beam.Reshuffle()
        | "Copy" >> beam.Map(copy_shard, ScreenConfig(), 10, drafts)
        | beam.CombinePerKey(combined)
        | beam.combiners.ToList()
        | "Leave" >> beam.Map(leave_copied, drafts)
    )
    assert pipeline.run() is not None
