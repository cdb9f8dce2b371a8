"""`python -m launcher`, and the `launcher` command."""

import sys


def main() -> None:
    from launcher.cli.main import main as run_verb

    sys.exit(run_verb())


if __name__ == "__main__":
    main()
