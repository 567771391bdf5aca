from conftest_cli import base, brightness, broken_program, images, pair, rules, run  # noqa: F401 - fixtures here
