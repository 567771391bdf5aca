"""How the embedded model was made: scenes, questions about them, the network, and the benchmark that measures it.

Its commands are those of `python -m imagejudge.builtin.training`. Nothing else imports it, and wheels do not have it.
Imports go one way: `scenes`, `language`, `network`, `benchmark`.
"""
