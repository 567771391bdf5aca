"""Scans that many processes share: cut into blocks, each judged once into a file of its own, and put together."""
