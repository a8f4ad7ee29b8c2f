"""Spans, settled from what real steps left in a real metadata store."""

import contextlib

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.components import ExampleValidator, SchemaGen, StatisticsGen
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline

from components.example_gen.component import ImageExampleGen
from components.example_gen.config import DataConfig, SplitsConfig
from components.example_gen.sources.source import open_source
from components.lineage.outputs import read_outputs
from pipeline.config.beam import IN_PROCESS
from pipeline.inputs.span import settle_span
from pipeline.run.compile import compiled
from pipeline.run.dag_runner import LocalDagRunner
from pipeline.run.outcome import read_outcome

LIVE = mlmd.Artifact.LIVE


class Lineage:
    """A metadata store in a file, and the runs that fill it."""

    def __init__(self, folder, tfds_dir=None):
        self.connection = metadata.sqlite_metadata_connection_config(str(folder / "store.sqlite"))
        self._folder = folder
        self._tfds_dir = tfds_dir
        self._runs = 0

    def settle(self, fingerprint, name="digits"):
        return settle_span(self.connection, name, fingerprint)

    def run(self, train, changed=False):
        """Writes a slice of digits and its statistics; returns the span and all outputs.

        Args:
          train: the slice.
          changed: the data are no longer what they were when the run began: the step fails.
        """
        splits = SplitsConfig(train=train, eval="train[-5:]")
        data = DataConfig(name="digits", data_dir=str(self._tfds_dir), splits=splits)
        fingerprint = "0" * 64 if changed else open_source(data).fingerprint
        span = self.settle(fingerprint)
        example_gen = ImageExampleGen(data, fingerprint, span, "")
        statistics_gen = StatisticsGen(examples=example_gen.outputs["examples"])
        statistics = statistics_gen.outputs["statistics"]
        schema_gen = SchemaGen(statistics=statistics)
        validator = ExampleValidator(statistics=statistics, schema=schema_gen.outputs["schema"])
        pipeline = Pipeline(
            pipeline_name="digits",
            pipeline_root=str(self._folder),
            components=[example_gen, statistics_gen, schema_gen, validator],
            enable_cache=True,
            metadata_connection_config=self.connection,
            beam_pipeline_args=[f"--runner={IN_PROCESS}"],
        )
        self._runs += 1
        LocalDagRunner().run_with_ir(compiled(pipeline, str(self._runs)))
        return span, read_outputs(self.connection, str(self._runs))

    def leave(self, fingerprint, span=None, state=LIVE, name="digits"):
        """Examples as a step of some make left them."""
        with metadata.Metadata(self.connection) as handle:
            store = handle.store
            kind = mlmd.ArtifactType(name="Examples", properties={"span": mlmd.INT})
            artifact = mlmd.Artifact(type_id=store.put_artifact_type(kind), state=state)
            artifact.custom_properties["fingerprint"].string_value = fingerprint
            if span is not None:
                artifact.properties["span"].int_value = span
            (artifact_id,) = store.put_artifacts([artifact])
            type_id = store.put_context_type(mlmd.ContextType(name="node"))
            context = f"{name}.ImageExampleGen"
            with contextlib.suppress(Exception):
                store.put_contexts([mlmd.Context(type_id=type_id, name=context)])
            found = store.get_context_by_type_and_name("node", context)
            attribution = mlmd.Attribution(artifact_id=artifact_id, context_id=found.id)
            store.put_attributions_and_associations([attribution], [])


@pytest.fixture
def lineage(tmp_path):
    return Lineage(tmp_path)


def test_other_data_is_the_next_span_and_known_data_its_own(tmp_path, tfds_dir):
    lineage = Lineage(tmp_path, tfds_dir)
    one, first = lineage.run("train[:20]")
    two, second = lineage.run("train[20:40]")
    with pytest.raises(RuntimeError, match="changed while the run was starting"):
        lineage.run("train[40:60]", changed=True)
    again, third = lineage.run("train[:20]")
    assert (one, two, again) == (1, 2, 1)
    assert lineage.settle("what the failed step would have written") == 3
    examples = [outputs["ImageExampleGen.examples"] for outputs in (first, second, third)]
    assert [each.span for each in examples] == [1, 2, 1]
    assert examples[0].id == examples[2].id != examples[1].id
    assert read_outcome(second, tuple("0123456789"))["span"] == 2
    # What TFX's own steps make of examples has their span.
    for name in ("StatisticsGen.statistics", "ExampleValidator.anomalies"):
        assert [outputs[name].span for outputs in (first, second, third)] == [1, 2, 1]


def test_the_first_span_is_one(lineage):
    assert lineage.settle("a") == 1


def test_data_from_before_there_were_spans_is_span_zero_and_stays_it(lineage):
    lineage.leave("a")
    lineage.leave("b")
    assert lineage.settle("a") == 0
    assert lineage.settle("c") == 1


def test_the_highest_counts_and_not_the_newest(lineage):
    for fingerprint, span in (("a", 1), ("b", 2), ("a", 1)):
        lineage.leave(fingerprint, span)
    assert lineage.settle("a") == 1
    assert lineage.settle("c") == 3


def test_of_two_spans_that_runs_at_once_gave_the_same_data_the_newer_is_kept(lineage):
    lineage.leave("a", 1)
    lineage.leave("a", 2)
    assert lineage.settle("a") == 2


@pytest.mark.parametrize("state", [mlmd.Artifact.PENDING, mlmd.Artifact.ABANDONED])
def test_what_no_finished_step_left_does_not_count(lineage, state):
    lineage.leave("a", 1, state=state)
    assert lineage.settle("b") == 1


def test_pipelines_in_one_store_count_by_themselves(lineage):
    lineage.leave("a", 7, name="other")
    assert lineage.settle("a") == 1
    assert lineage.settle("a", name="other") == 7
