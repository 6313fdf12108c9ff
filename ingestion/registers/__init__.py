"""Registers that people keep: a contract in YAML drives the template, the check and the load."""
