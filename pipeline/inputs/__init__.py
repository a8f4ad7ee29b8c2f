"""The inputs of a run: data, backbone, schema and code, identified before TFX starts."""
