"""Ingestion: sources declared in YAML, clients that read them and one loader that writes `raw`."""
