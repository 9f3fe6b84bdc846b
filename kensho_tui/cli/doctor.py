"""``kensho-tui doctor``: is everything here as it must be, down to one real answer?"""

import argparse


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("doctor", help="check this installation, down to one real answer")
    parser.add_argument("--report", metavar="FILE", help="also write a redacted report to send to a helper")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from kensho_tui.cli.checkup import run as examine

    return examine(options)
