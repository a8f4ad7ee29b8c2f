"""Hub modules for the tests: SavedModels with the interface of google/bit/m-r50x1, or nearly."""

import tensorflow as tf

from components.backbone.bit import BiT

IMAGES = tf.TensorSpec((None, None, None, 3), tf.float32, name="images")


def export(folder, call, variables=(), spec=IMAGES, losses=()):
    """Saves `call` as a hub module that lists `variables`, which can all be trained.

    `losses` are functions without arguments, its regularization.
    """
    module = tf.train.Checkpoint()
    module.variables = list(variables)
    module.trainable_variables = list(variables)
    module.regularization_losses = [tf.function(loss, input_signature=[]) for loss in losses]
    module.__call__ = tf.function(call, input_signature=[spec])
    tf.saved_model.save(module, str(folder))
    return str(folder)


def penalty_of(weight, l2):
    """The L2 loss of a weight, as a module lists it."""
    return tf.function(lambda: l2 * tf.reduce_sum(tf.square(weight)), input_signature=[])


def export_batch_norms(folder, l2=0.0, momentum=0.9):
    """A network of Keras with batch norms and, above an `l2` of 0, a penalty on each kernel.

    Its `__call__` takes `training`, as that of google/imagenet/resnet_v2_50/feature_vector does.
    """
    import tf_keras as keras

    def layers(filters, seed):
        start = keras.initializers.HeNormal(seed)
        yield keras.layers.Conv2D(filters, 3, 2, use_bias=False, kernel_initializer=start)
        yield keras.layers.BatchNormalization(momentum=momentum)
        yield keras.layers.ReLU()

    network = keras.Sequential(
        [
            keras.layers.InputLayer((None, None, 3)),
            *layers(8, 1),
            *layers(16, 2),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    module = tf.train.Checkpoint(network=network)
    module.variables = network.variables
    module.trainable_variables = network.trainable_variables
    kernels = [each for each in network.trainable_variables if "kernel" in each.name]
    module.regularization_losses = [penalty_of(kernel, l2) for kernel in kernels if l2]
    module.__call__ = tf.function(lambda images, training=False: network(images, training=training))
    for training in (True, False):
        module.__call__.get_concrete_function(IMAGES, training=training)
    tf.saved_model.save(module, str(folder))
    return str(folder)


def renamed(bit, rename):
    """The same network; its variables have other names."""
    variables = {name: tf.Variable(old, name=rename(name)) for name, old in bit.weights.items()}
    return BiT(bit.architecture, weights=variables)


def untidy(bit, seed=5):
    """Gammas and betas as training leaves them, so that no part of the network is idle."""
    for index, (name, weight) in enumerate(bit.weights.items()):
        if "group_norm" in name:
            noise = tf.random.stateless_normal(weight.shape, (seed, index))
            weight.assign_add(0.3 * noise)
    return bit
