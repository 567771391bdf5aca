from conftest_cli import (  # noqa: F401 - fixtures here
    base,
    brightness,
    broken_program,
    images,
    pair,
    program_server,
    rules,
    run,
)
