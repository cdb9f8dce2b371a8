"""The command line: one thin function a verb. Nothing heavy is imported before a verb needs it."""

from launcher.cli.main import main

__all__ = ["main"]
