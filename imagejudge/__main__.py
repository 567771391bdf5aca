"""`python -m imagejudge`."""

from imagejudge.cli.main import main

if __name__ == "__main__":
    main()
