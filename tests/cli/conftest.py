from conftest_cli import broken_program, images, pair, rules, run  # noqa: F401 - fixtures for this folder
