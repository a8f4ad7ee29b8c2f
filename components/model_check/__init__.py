"""ModelCheck: a blessed model is loaded and asked by a process of TensorFlow alone."""
