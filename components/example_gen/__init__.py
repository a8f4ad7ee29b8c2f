"""ImageExampleGen: a prepared tfds data set becomes tf.Examples."""
