"""A pipeline with the parameters and steps of our packages, small; compiled in .venv-kfp."""

import sys

from kfp import compiler, dsl


@dsl.container_component
def prepare(overrides: list[str], epochs: str):
    return dsl.ContainerSpec(image="registry/bit:1", command=["echo", epochs, overrides])


@dsl.container_component
def trainer(dataset: str):
    return dsl.ContainerSpec(image="registry/bit:1", command=["echo", dataset])


@dsl.container_component
def evaluator(min_accuracy: str, passed: dsl.OutputPath(str)):
    return dsl.ContainerSpec(image="registry/bit:1", command=["sh", "-c", 'echo "$0"', passed])


@dsl.container_component
def model_rejected():
    return dsl.ContainerSpec(image="registry/bit:1", command=["true"])


@dsl.container_component
def finish():
    return dsl.ContainerSpec(image="registry/bit:1", command=["true"])


@dsl.pipeline(name="flowers")
def flowers(
    epochs: str = "5",
    dataset: str = "tf_flowers",
    min_accuracy: str = "0.9",
    overrides: list[str] = [],  # noqa: B006
):
    with dsl.ExitHandler(finish().set_display_name("the end")):
        first = prepare(overrides=overrides, epochs=epochs)
        second = trainer(dataset=dataset).after(first)
        third = evaluator(min_accuracy=min_accuracy).after(second)
        with dsl.If(third.outputs["passed"] == "no"):
            model_rejected()


compiler.Compiler().compile(flowers, sys.argv[1])
