"""The console script, and `python -m imagejudge`: watches signals before it loads the program."""

from imagejudge.cli.signals import leave_if_stopped, watch_signals


def main() -> None:
    """Load the program and run it. Ctrl-C ends it in the same way in its first moment as in any other."""
    watch_signals()
    try:
        from imagejudge.cli.main import main as run

        run()
    except KeyboardInterrupt:
        leave_if_stopped()
        raise


if __name__ == "__main__":
    main()
