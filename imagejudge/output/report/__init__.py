"""Verdicts as one page on which a person looks at what was found and decides: the page's data, pictures and text."""
