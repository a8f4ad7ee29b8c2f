"""Where images come from: tfds, folders, tables, TFRecords. Each source yields shards."""
