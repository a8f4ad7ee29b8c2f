"""Where images come from: tfds, a folder, a table, TFRecords. Each source yields shards of records."""
