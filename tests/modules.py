"""Hub modules for the tests: SavedModels with the interface of google/bit/m-r50x1, or nearly."""

import tensorflow as tf

from components.trainer.bit import BiT

IMAGES = tf.TensorSpec((None, None, None, 3), tf.float32, name="images")


def export(folder, call, variables=(), spec=IMAGES):
    """Saves `call` as a hub module that lists `variables`, which can all be trained."""
    module = tf.train.Checkpoint()
    module.variables = list(variables)
    module.trainable_variables = list(variables)
    module.regularization_losses = []
    module.__call__ = tf.function(call, input_signature=[spec])
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
