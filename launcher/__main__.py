"""`python -m launcher`, and the `launcher` command."""

import sys


def main() -> None:
    if sys.argv[1:2] == ["run"]:
        from launcher.interrupt.early import end_early

        end_early()
    from launcher.cli.main import main as run_verb

    sys.exit(run_verb())


if __name__ == "__main__":
    main()
