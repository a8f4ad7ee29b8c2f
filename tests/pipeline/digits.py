"""The pipeline of the preset digits as TFX compiles it, without a run."""

from pipeline.config import load_config


def compiled(folder, *overrides):
    """The inputs of the pipeline, the pipeline, and its nodes in TFX's IR.

    Args:
      folder: of data and output.
      overrides: `section.key=value`.
    """
    from ml_metadata.proto import metadata_store_pb2
    from tfx.dsl.compiler import compiler

    from pipeline.inputs.resolve import resolve
    from pipeline.pipeline import create_pipeline
    from pipeline.run.layout import Layout

    config = load_config("digits", overrides=[*overrides, f"data.data_dir={folder}"])
    inputs = resolve(config, Layout(folder / "out"))
    pipeline = create_pipeline(
        inputs.config,
        inputs,
        span=1,
        pipeline_root=str(folder),
        serving=str(folder),
        checkpoints=str(folder),
        run_id="run",
        metadata=metadata_store_pb2.ConnectionConfig(sqlite={"filename_uri": ":memory:"}),
        beam_pipeline_args=[],
    )
    nodes = [node.pipeline_node for node in compiler.Compiler().compile(pipeline).nodes]
    return inputs, pipeline, {node.node_info.id: node for node in nodes}
