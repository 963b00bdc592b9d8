"""The command's door: subcommands by name, errors as one line and exit status 2."""

from __future__ import annotations

import importlib
import os
import sys

import click

from nasnet_tf import __version__

_COMMANDS = {
    "search": "Search a cell on your data, scale it up, train it.",
    "status": "How far a search is.",
    "train": "Train a network of a found or published cell.",
    "evaluate": "Accuracy of a trained network on held-out images.",
    "predict": "Name the class of pictures.",
    "compare": "Strategies side by side, on a table of trainings.",
    "info": "What a genotype or a saved network is made of and costs.",
}


class _Commands(click.Group):
    """Imports a subcommand when it is asked for, so that help and mistakes answer at once."""

    def list_commands(self, context):
        return list(_COMMANDS)

    def get_command(self, context, name):
        if name not in _COMMANDS:
            return None
        return getattr(importlib.import_module(f"nasnet_tf.cli.{name}"), name)

    def format_commands(self, context, formatter):
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nasnet-tf")
def cli():
    """Search neural-network cells on your own data, scale them up, train and use them."""


def main(arguments=None) -> int:
    """Runs the command; returns its exit status: 0, 2 for a mistake in what was given, 1 for a failure, 130 if interrupted."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return cli.main(args=arguments, prog_name="nasnet-tf", standalone_mode=False) or 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        return _say(error.format_message(), 2)
    except (ValueError, OSError) as error:
        return _say(error, 2)
    except (click.Abort, KeyboardInterrupt):  # Abort is a RuntimeError
        return _say("interrupted", 130)
    except (ArithmeticError, RuntimeError) as error:
        return _say(error, 1)


def _say(error, status):
    print(f"nasnet-tf: {' '.join(str(error).split())}", file=sys.stderr)
    return status


def run():
    """Entry point of the console script."""
    sys.exit(main())
