"""Where images come from: tfds, a folder, TFRecords; each gives shards of records."""
