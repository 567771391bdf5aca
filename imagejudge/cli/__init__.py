"""The command line: options, settings and messages; the only part that knows Typer."""
