"""Engines: everything that can answer questions about a picture."""
