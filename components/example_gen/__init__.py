"""ImageExampleGen: images with classes, from any source, become tf.Examples."""
