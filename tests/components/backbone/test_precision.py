"""Mixed precision really computes in another type: shown by the graph, and by its results."""

import platform
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub

from components.backbone.config import SHIPPED
from components.backbone.handle import load_backbone
from components.errors import UserError
from tests.modules import export

BIT_MINI = str(SHIPPED["bit-mini"])
MIXED = {"mixed_bfloat16": tf.bfloat16, "mixed_float16": tf.float16}


@pytest.fixture
def images():
    return tf.random.stateless_uniform((8, 32, 32, 3), (0, 1))


@pytest.fixture
def as_found():
    """Graphs are as they were again after the test."""
    options = ("auto_mixed_precision", "auto_mixed_precision_onednn_bfloat16")
    yield
    tf.config.optimizer.set_experimental_options(dict.fromkeys(options, False))


def types_of(layer, images, kind):
    """Data types of all operations of a kind, in the graph of a training step."""

    @tf.function
    def step(batch):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(layer(batch) ** 2)
        return tape.gradient(loss, layer.trainable_variables)

    graph = step.get_concrete_function(images).graph
    return {op.outputs[0].dtype for op in graph.get_operations() if op.type == kind}


@pytest.mark.parametrize("precision", MIXED)
def test_convolutions_and_their_gradients_are_computed_in_it(images, precision):
    layer = load_backbone(BIT_MINI, "full", precision)
    for kind in ("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", "Relu", "MaxPool"):
        assert types_of(layer, images, kind) == {MIXED[precision]}, kind
    # Statistics of kernels and groups, and the weights.
    assert types_of(layer, images, "Rsqrt") == {tf.float32}
    assert {variable.dtype for variable in layer.variables} == {tf.float32}


def test_float32_computes_in_float32(images):
    layer = load_backbone(BIT_MINI, "full")
    assert types_of(layer, images, "Conv2D") == {tf.float32}
    assert types_of(layer, images, "Cast") == set()


@pytest.mark.parametrize(
    ("precision", "close"), [("mixed_bfloat16", 0.03), ("mixed_float16", 4e-3)]
)
def test_results_are_near_those_of_float32_and_not_the_same(images, precision, close):
    expected = load_backbone(BIT_MINI, "head_only")(images).numpy()
    found = load_backbone(BIT_MINI, "head_only", precision)(images)
    assert found.dtype == tf.float32
    apart = np.abs(found - expected).max() / np.abs(expected).max()
    assert close / 30 < apart < close


def test_training_in_bfloat16_falls_as_in_float32(images):
    labels = tf.range(8) % 2

    def losses(precision):
        layer = load_backbone(BIT_MINI, "full", precision)
        head = tf.Variable(tf.zeros((384, 2)))
        variables = [*layer.trainable_variables, head]

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                logits = layer(images) @ head
                loss = tf.reduce_mean(
                    tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
                )
            for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
                variable.assign_sub(0.05 * gradient)
            return loss

        return [float(step()) for _ in range(12)]

    exact, mixed = losses("float32"), losses("mixed_bfloat16")
    assert exact[-1] < exact[0] - 0.1
    assert mixed == pytest.approx(exact, rel=0.02)
    assert mixed != exact


def test_a_model_is_served_in_float32(images):
    layer = load_backbone(BIT_MINI, "full", "mixed_bfloat16")
    layer.compute_in_float32()
    expected = load_backbone(BIT_MINI, "full")(images)
    np.testing.assert_array_equal(layer(images), expected)


def cpu_has(flag):
    return platform.machine() == "x86_64" and flag in Path("/proc/cpuinfo").read_text()


@pytest.fixture
def foreign(tmp_path):
    bit = load_backbone(BIT_MINI, "full").body
    return export(tmp_path / "module", lambda x: 2.0 * bit(x), bit.weights.values())


REWRITES = cpu_has("avx512f")
"""Where oneDNN computes in bfloat16; elsewhere it is refused, as float16 is."""


def refused(precision):
    return pytest.raises(
        UserError, match=rf"{precision} changes nothing .* Set training.precision=float32"
    )


def test_a_foreign_module_is_rewritten(foreign, images, as_found):
    if not REWRITES:
        with refused("mixed_bfloat16"):
            load_backbone(foreign, "full", "mixed_bfloat16")
        return
    expected = hub.KerasLayer(foreign)(images).numpy()
    layer = load_backbone(foreign, "full", "mixed_bfloat16")
    assert layer.architecture is None
    found = tf.function(layer)(images)
    apart = np.abs(found - expected).max() / np.abs(expected).max()
    assert 1e-3 < apart < 0.03
    layer.compute_in_float32()
    np.testing.assert_allclose(tf.function(layer)(images), expected, rtol=1e-5)


def test_the_rewrite_reaches_the_convolutions_of_a_saved_function(foreign, images, as_found):
    from tensorflow.python.eager import context

    layer = load_backbone(foreign, "full", "mixed_bfloat16" if REWRITES else "float32")
    compute = tf.function(layer)
    context.enable_run_metadata()
    try:
        compute(images)
        metadata = context.export_run_metadata()
    finally:
        context.disable_run_metadata()
    nodes = [node for graph in metadata.partition_graphs for node in graph.node]
    types = {node.attr["T"].type for node in nodes if "Conv2D" in node.op}
    assert types == {(tf.bfloat16 if REWRITES else tf.float32).as_datatype_enum}


def test_what_would_change_nothing_is_refused_with_what_to_do(foreign, as_found):
    """No CPU but the newest Xeons has a float16 of its own, which TensorFlow may not use either."""
    if cpu_has("avx512_fp16"):
        with suppress(UserError):
            load_backbone(foreign, "full", "mixed_float16")
            return
    with refused("mixed_float16"):
        load_backbone(foreign, "full", "mixed_float16")
    assert not tf.config.optimizer.get_experimental_options().get("auto_mixed_precision")
    # And nothing of a BiT, which has a compute dtype.
    assert load_backbone(BIT_MINI, "full", "mixed_float16").architecture is not None
