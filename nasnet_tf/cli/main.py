"""The command's door: subcommands by name, errors as one line and exit status 2."""

from __future__ import annotations

import dis
import importlib
import pathlib
import sys
import traceback

import click

import nasnet_tf
from nasnet_tf.cli.printing import shown, visible
from nasnet_tf.workflow.notices import prepare

_COMMANDS = {
    "auto": "The best network for your data that the time allows, with nothing to choose.",
    "search": "Search a cell on your data, scale it up, train it.",
    "status": "How far a search is.",
    "train": "Train a network of a found or published cell.",
    "evaluate": "Accuracy of a trained network on held-out images.",
    "predict": "Name the class of pictures.",
    "compare": "Strategies side by side, on a table of trainings.",
    "info": "What a genotype, a model of the zoo or a saved network is made of and costs.",
}
_PACKAGE = pathlib.Path(nasnet_tf.__file__).parent
# Where this package raises them, they say what to mend.
_MISTAKES = (ValueError, TypeError, LookupError, ImportError)
_REPORT = (
    "This is a fault of nasnet-tf, not a mistake of yours. Please report it: the command, what it"
    " prints with --traceback, and what nasnet-tf info prints."
)


def _remember(context, option, value):
    if value:
        context.find_root().obj[option.name] = True


def _shared():
    """Options of the command and of every subcommand."""
    of_all = dict(is_flag=True, expose_value=False, is_eager=True, callback=_remember)
    return [
        click.Option(["-q", "--quiet"], help="Print nothing but results and errors.", **of_all),
        click.Option(["--traceback"], help="Show where in the program an error arose.", **of_all),
    ]


class _Commands(click.Group):
    """Imports a subcommand when it is asked for, so that help and mistakes answer at once."""

    def list_commands(self, context):
        return list(_COMMANDS)

    def get_command(self, context, name):
        if name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(f"nasnet_tf.cli.{name}"), name)
        if not any(option.name == "traceback" for option in command.params):
            command.params.extend(_shared())
        return command

    def format_commands(self, context, formatter):
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_Commands, params=_shared(), context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(nasnet_tf.__version__, prog_name="nasnet-tf")
def cli():
    """Search neural-network cells on your own data, scale them up, train and use them."""


def main(arguments=None) -> int:
    """Runs the command; returns its exit status: 0, 2 for a mistake in what was given, 1 for a
    failure, 130 if interrupted.
    """
    prepare()
    asked = {}
    try:
        return (
            cli.main(args=arguments, prog_name="nasnet-tf", standalone_mode=False, obj=asked) or 0
        )
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        return _say(error.format_message(), 2)
    except (click.Abort, KeyboardInterrupt):  # Abort is a RuntimeError
        return _say("interrupted", 130)
    except Exception as error:
        if asked.get("traceback"):
            _print_traceback(error)
        return _say(*_answer(error))


def _answer(error):
    """What is said about an error, and the exit status. A user's mistake is what this package
    raises itself, and says how to mend.
    """
    if isinstance(error, OSError):  # a file that is not there, a full disk
        return error, 2
    if isinstance(error, MemoryError):
        return "out of memory; make the network, the batches or the images smaller.", 1
    if _raised_here(error):
        return (error.args[0] if isinstance(error, KeyError) and error.args else error), (
            2 if isinstance(error, _MISTAKES) else 1
        )
    return (
        (
            f"unexpected {type(error).__name__}: {str(error).strip() or 'without a message'} --"
            f" {_REPORT}"
        ),
        1,
    )


def _raised_here(error):
    """Whether a `raise` of this package made the error, in place of a library it calls or a slip in
    its own code.
    """
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None:
        return False
    code = last.tb_frame.f_code
    return (
        pathlib.Path(code.co_filename).is_relative_to(_PACKAGE)
        and dis.opname[code.co_code[last.tb_lasti]] == "RAISE_VARARGS"
    )


def _print_traceback(error):
    """The traceback with what came before it, also where a shorter message took its place (`from
    None`).
    """
    seen = error
    while seen is not None:
        seen.__suppress_context__ = False
        seen = seen.__cause__ or seen.__context__
    for line in "".join(traceback.format_exception(error)).splitlines():
        print(visible(line), file=sys.stderr)


def _say(error, status):
    print(f"nasnet-tf: {shown(' '.join(str(error).split()))}", file=sys.stderr)
    return status


def run():
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows no accents shows their codes.
        stream.reconfigure(errors="backslashreplace")
    from nasnet_tf.cli.clock import is_the_process

    is_the_process()
    sys.exit(main())
