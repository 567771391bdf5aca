"""Judge images against written rules with a local vision-language model."""
