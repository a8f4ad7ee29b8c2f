"""What a run is made of: data, backbone, schema and code, identified before TFX starts."""
