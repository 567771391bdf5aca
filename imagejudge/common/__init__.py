"""TOML files under reading: where each value stands, and complaints about it with a line and what to write instead."""
