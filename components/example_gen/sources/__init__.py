"""Where images come from: tfds, a folder, TFRecords. Each source yields shards of records."""
