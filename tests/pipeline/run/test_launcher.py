"""The cache of the launcher, and outputs that were moved, on small steps in a real store."""

import json
import logging
import shutil
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.dsl.components.common.resolver import Resolver, ResolverStrategy
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.types import Channel, artifact
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.errors import UserError
from components.lineage.outputs import read_outputs
from components.progress import EVENT, LOGGER
from pipeline.run.compile import compiled
from pipeline.run.dag_runner import LocalDagRunner
from pipeline.run.layout import Layout
from pipeline.run.moved import settle_place
from pipeline.run.unchanged import files_of, is_unchanged

LARGE = b"x" * (5 << 20)


class Text(artifact.Artifact):
    TYPE_NAME = "TestText"


class Write(base_executor.BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        folder = Path(output_dict["text"][0].uri)
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "text").write_text(exec_properties["words"])
        (folder / "large").write_bytes(LARGE)


class Read(base_executor.BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        text = Path(input_dict["text"][0].uri, "deep", "text").read_text()
        Path(output_dict["copy"][0].uri).mkdir(parents=True, exist_ok=True)
        Path(output_dict["copy"][0].uri, "copy").write_text(text)


class WriterSpec(ComponentSpec):
    PARAMETERS: ClassVar = {
        "words": ExecutionParameter(type=str),
        "place": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar = {}
    OUTPUTS: ClassVar = {"text": ChannelParameter(type=Text)}


class Writer(base_component.BaseComponent):
    SPEC_CLASS = WriterSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Write)

    def __init__(self, words, place):
        super().__init__(WriterSpec(words=words, place=place, text=Channel(type=Text)))


class ReaderSpec(ComponentSpec):
    PARAMETERS: ClassVar = {}
    INPUTS: ClassVar = {"text": ChannelParameter(type=Text)}
    OUTPUTS: ClassVar = {"copy": ChannelParameter(type=Text)}


class Reader(base_component.BaseComponent):
    SPEC_CLASS = ReaderSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Read)

    def __init__(self, text):
        super().__init__(ReaderSpec(text=text, copy=Channel(type=Text)))


class Refusal(ResolverStrategy):
    def resolve_artifacts(self, store, input_dict):
        raise UserError("put it back")


class Events(logging.Handler):
    def __init__(self):
        super().__init__()
        self.seen = []

    def emit(self, record):
        self.seen.append(record.__dict__[EVENT])


class Runs:
    """Runs of two steps in one output folder, with the store in it."""

    def __init__(self, output):
        self.layout = Layout(Path(output).resolve())
        self.layout.metadata.parent.mkdir(parents=True, exist_ok=True)
        self.connection = metadata.sqlite_metadata_connection_config(str(self.layout.metadata))
        self.states, self.notes = {}, []

    def run(self, words="one", cache=True, refuse=False):
        """Returns the artifacts; `states` and `notes` are those of this run."""
        events = Events()
        LOGGER.addHandler(events)
        LOGGER.setLevel(logging.INFO)
        settle_place(self.connection, "small", self.layout, own_store=True)
        writer = Writer(words, str(self.layout.checkpoints))
        reader = Reader(writer.outputs["text"])
        steps = [writer, reader]
        if refuse:
            steps += [Resolver(Refusal, text=Channel(type=Text)).with_id("Refusing")]
        pipeline = Pipeline(
            pipeline_name="small",
            pipeline_root=str(self.layout.artifacts),
            components=steps,
            enable_cache=cache,
            metadata_connection_config=self.connection,
        )
        run_id = uuid.uuid4().hex
        try:
            LocalDagRunner().run_with_ir(compiled(pipeline, run_id))
        finally:
            LOGGER.removeHandler(events)
            self.ended = {e["id"]: e for e in events.seen if e["event"] == "step"}
            self.notes = [e["text"] for e in events.seen if e["event"] == "note"]
            self.states = {name: event["state"] for name, event in self.ended.items()}
        return read_outputs(self.connection, run_id)


RAN, CACHED = ({"Writer": s, "Reader": s} for s in ("complete", "cached"))


@pytest.fixture
def runs(tmp_path):
    found = Runs(tmp_path / "output")
    found.run()
    assert found.states == RAN
    return found


def damage(folder, kind):
    text = folder / "deep" / "text"
    if kind == "gone":
        shutil.rmtree(folder)
    elif kind == "empty":
        shutil.rmtree(folder)
        folder.mkdir()
    elif kind == "missing":
        text.unlink()
    elif kind == "cut":
        (folder / "large").write_bytes(LARGE[:1000])
    elif kind == "changed":
        text.write_text("eno")
    elif kind == "more":
        (folder / "deep" / "stray").write_text("what nobody wrote")


def folder_of(outputs):
    return Path(outputs["Writer.text"].uri)


def test_what_is_whole_is_cached_and_what_is_asked_for_otherwise_is_not(runs):
    runs.run()
    assert runs.states == CACHED
    runs.run("two")
    assert runs.states == RAN
    runs.run(cache=False)
    assert runs.states == RAN
    assert runs.notes == []


@pytest.mark.parametrize("kind", ["gone", "empty", "missing", "cut", "changed", "more"])
def test_a_step_whose_files_were_damaged_runs_again_and_is_named(runs, kind):
    before = folder_of(runs.run())
    damage(before, kind)
    after = folder_of(runs.run())
    assert runs.states == RAN
    (note,) = runs.notes
    assert note.startswith(f"Writer runs again: {before}")
    assert after != before
    assert (after / "deep" / "text").read_text() == "one"
    assert folder_of(runs.run()) == after
    assert runs.states == CACHED


def test_an_older_execution_that_is_whole_will_do(runs):
    first = folder_of(runs.run())
    second = folder_of(runs.run(cache=False))
    damage(second, "gone")
    assert folder_of(runs.run()) == first
    assert runs.states["Writer"] == "cached"


def test_an_unchanged_run_looks_at_the_files_too(runs):
    outputs = runs.run()
    files = files_of(outputs, runs.layout)
    assert set(files) == {"artifacts/Writer/text/1", "artifacts/Reader/copy/2"}
    last = {"key": "k", "served": "s", "files": files, "summary": {"run_id": "7"}}
    runs.layout.last_run.write_text(json.dumps(last))
    runs.layout.report.parent.mkdir()
    runs.layout.report.write_text("the page of run 7")
    inputs = SimpleNamespace(key="k", served="s")
    assert is_unchanged(inputs, runs.layout)
    moved = runs.layout.output.with_name("moved")
    shutil.copytree(runs.layout.output, moved)
    shutil.rmtree(runs.layout.artifacts)
    assert not is_unchanged(inputs, runs.layout)
    assert is_unchanged(inputs, Layout(moved))


@pytest.mark.parametrize("how", [shutil.move, shutil.copytree])
def test_an_output_that_was_moved_or_copied_is_cached_in_its_new_place(runs, tmp_path, how):
    old = folder_of(runs.run())
    new = tmp_path / "deep" / "elsewhere"
    new.parent.mkdir()
    how(runs.layout.output, new)
    if old.exists():
        # Whoever reads this reads the old place.
        damage(old, "changed")
    moved = Runs(new)
    outputs = moved.run()
    assert moved.states == CACHED
    assert folder_of(outputs) == new / old.relative_to(runs.layout.output)
    (note,) = moved.notes
    assert f"moved or copied from {runs.layout.output}: 2 artifacts" in note
    damage(folder_of(outputs), "gone")
    moved.run()
    assert moved.states == RAN
    assert str(new) in str(folder_of(moved.run()))


def test_a_link_is_no_move(runs, tmp_path):
    (tmp_path / "link").symlink_to(runs.layout.output)
    linked = Runs(tmp_path / "link")
    outputs = linked.run()
    assert (linked.states, linked.notes) == (CACHED, [])
    assert folder_of(outputs).is_relative_to(runs.layout.output)


def test_an_output_that_was_configured_otherwise_is_refused(runs, tmp_path):
    """On a cluster the store is not in the output: nobody knows that it was moved."""
    other = Layout(tmp_path / "other")
    with pytest.raises(UserError, match=str(runs.layout.output)) as error:
        settle_place(runs.connection, "small", other, own_store=False)
    assert "pipeline_name" in str(error.value)
    settle_place(runs.connection, "another", other, own_store=False)
    shutil.copytree(runs.layout.output, other.output)
    settle_place(runs.connection, "small", other, own_store=False)
    with metadata.Metadata(runs.connection) as handle:
        uris = [each.uri for each in handle.store.get_artifacts()]
    assert all(uri.startswith(f"{other.artifacts}/") for uri in uris)


def test_what_a_strategy_refuses_is_the_users_to_mend(runs):
    with pytest.raises(Exception, match="put it back"):
        runs.run(refuse=True)
    assert runs.ended["Refusing"]["user_error"] == "put it back"
