"""Judge images against written rules with a local vision-language model."""

__version__ = "0.1.0"

__all__ = ["__version__"]
