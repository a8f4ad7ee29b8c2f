"""The nodes that take more than a line to make, in the order in which the data flows.

`pipeline.pipeline` makes its nodes with it:

    from pipeline import nodes

    statistics_gen, schema_gen = nodes.statistics_and_schema(
        examples, inputs.schema, inputs.code["StatisticsGen"]
    )
    transform = nodes.transform(config, inputs, examples, schema_gen.outputs["schema"])
"""

from __future__ import annotations

import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components import (
    SchemaGen,
    Transform,
)
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.common.resolver import Resolver
from tfx.types import BaseChannel, Channel
from tfx.types.standard_artifacts import ExampleStatistics, Model, ModelBlessing, PushedModel

from components.artifacts import DataChecks
from components.data_gate.component import DataGate
from components.digests import digest_of_classes
from components.lineage.baseline import BestServedStrategy, LastServedStrategy
from components.lineage.passed_span import LastPassedStrategy
from components.pictures.component import Pictures
from components.report.component import Report
from components.statistics_gen.component import ImageStatisticsGen
from components.storage import AnyPath
from components.trainer.base_model import BaseModelStrategy
from components.transform.features import IMAGE, LABEL
from components.tuner.component import OptunaTuner
from pipeline import properties
from pipeline.config import Config
from pipeline.inputs.resolve import Inputs
from pipeline.run.report import report_settings

# Without an image domain, TFDV treats encoded images as text, with a warning for each.
_IMAGES = f"""feature {{ name: "{IMAGE}" type: BYTES image_domain {{}} }}
              feature {{ name: "{LABEL}" type: INT int_domain {{ is_categorical: true }} }}"""


def statistics_and_schema(
    examples: BaseChannel, schema: AnyPath | None, code: str
) -> tuple[ImageStatisticsGen, SchemaGen | ImportSchemaGen]:
    """StatisticsGen, and SchemaGen: the curated schema, or one inferred from the statistics."""
    text = _IMAGES if schema is None else schema.read_text(encoding="utf-8")
    known = text_format.Parse(text, schema_pb2.Schema())
    for feature in known.feature:
        if feature.name == IMAGE and not feature.HasField("image_domain"):
            feature.image_domain.SetInParent()
    # Not as an input: the graph is one, whether a schema is there to be used or is inferred.
    options = tfdv.StatsOptions(schema=known, enable_semantic_domain_stats=True)
    statistics_gen = ImageStatisticsGen(options, code, examples)
    if schema is None:
        return statistics_gen, SchemaGen(statistics=statistics_gen.outputs["statistics"])
    return statistics_gen, ImportSchemaGen(schema_file=str(schema)).with_id("SchemaGen")


def passed_span(inputs: Inputs, span: int) -> Resolver:
    """The data of the last span before this one that passed the gate, if there is one."""
    classes = digest_of_classes(inputs.source.class_names)
    return Resolver(
        strategy_class=LastPassedStrategy,
        config={"span": span, "class_names": classes},
        statistics=Channel(type=ExampleStatistics),
        checks=Channel(type=DataChecks),
        damaged=Channel(type=ExampleStatistics),
    ).with_id("PassedSpan")


def data_gate(config: Config, inputs: Inputs, span: int, **channels: BaseChannel) -> DataGate:
    """Stops the run where the data are not as the configuration wants them."""
    settings = properties.data_gate_settings(config, inputs, span)
    return DataGate(settings, inputs.code["DataGate"], **channels)


def transform(
    config: Config, inputs: Inputs, examples: BaseChannel, schema: BaseChannel
) -> Transform:
    """The graph from an encoded image to what the network reads."""
    return Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="components.transform.preprocessing.preprocessing_fn",
        # The graph alone: decoded images would be twenty times the size of the encoded ones.
        materialize=False,
        disable_statistics=True,
        disable_analyzer_cache=True,
        custom_config=properties.transform_settings(config, inputs),
    )


def pictures(
    config: Config, inputs: Inputs, examples: BaseChannel, transform_graph: BaseChannel
) -> Pictures:
    """What the images look like, before and after."""
    settings = properties.pictures_settings(config, inputs)
    channels = {"examples": examples, "transform_graph": transform_graph}
    return Pictures(settings, inputs.code["Pictures"], **channels)


def warm_start(config: Config, inputs: Inputs, served: dict[str, str]) -> Resolver | None:
    """The model whose weights the training starts from, where it is to and there is one."""
    if not config.training.warm_start:
        return None
    comparable = _comparable(config, inputs, served)
    return Resolver(
        strategy_class=BaseModelStrategy,
        config={**comparable, "fingerprint": inputs.source.fingerprint},
        **_models(),
    ).with_id("WarmStart")


def tuner(
    config: Config,
    inputs: Inputs,
    examples: BaseChannel,
    transform_graph: BaseChannel,
    base_model: BaseChannel | None,
) -> OptunaTuner | None:
    """Chooses hyper-parameters, where the configuration searches."""
    if config.search is None:
        return None
    return OptunaTuner(
        properties.tuner_settings(config, inputs),
        inputs.code["Tuner"],
        examples=examples,
        transform_graph=transform_graph,
        base_model=base_model,
    )


def baseline(
    config: Config, inputs: Inputs, served: dict[str, str], candidate: BaseChannel
) -> Resolver:
    """The model that a new one is compared with, if there is one.

    Args:
      config: the whole configuration.
      inputs: what the run reads.
      served: `serving` and `adopted` of `LastServedStrategy`.
      candidate: channel of the new model.
    """
    comparable = _comparable(config, inputs, served)
    best = config.evaluation.baseline == "best_blessed"
    if best:
        comparable["evaluation_data"] = properties.evaluation_data(config, inputs)
    return Resolver(
        strategy_class=BestServedStrategy if best else LastServedStrategy,
        config=comparable,
        candidate=candidate,
        **_models(),
    ).with_id("BaselineModel")


def _comparable(config: Config, inputs: Inputs, served: dict[str, str]) -> dict[str, str]:
    return {
        **served,
        "class_names": digest_of_classes(inputs.source.class_names),
        "missing": config.evaluation.missing_baseline,
    }


def _models() -> dict[str, Channel]:
    """All models in the lineage; a Resolver has an output for each of its inputs."""
    return {
        "model": Channel(type=Model),
        "model_blessing": Channel(type=ModelBlessing),
        "pushed_model": Channel(type=PushedModel),
        "damaged": Channel(type=Model),
    }


def report(config: Config, inputs: Inputs, run_id: str, **channels: BaseChannel) -> Report:
    """The page of this run."""
    settings = report_settings(config, inputs, run_id)
    return Report(settings, inputs.code["Report"], **channels)
