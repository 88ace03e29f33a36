"""``mutua ca crl``."""

import sys

import click

from mutua.cli.exits import ExitCode
from mutua.cli.options import home_option, json_option
from mutua.cli.output import day, json_data, table, talk
from mutua.home.home import Home


@click.command()
@click.option("--renew", is_flag=True, help="Make those anew first that are due; with --all, every one.")
@click.option("--all", "everything", is_flag=True, help="With --renew: also those that are good for a while yet.")
@click.option("--bundle", is_flag=True, help="Print every CRL in PEM instead, for nginx or haproxy.")
@home_option
@json_option
def crl(home: Home, *, renew: bool, everything: bool, bundle: bool, as_json: bool) -> ExitCode:
    """Show the revocation lists, or make them anew.

    They are made anew by themselves on every revocation, and at half their life by any process of mutua that runs.
    The exit code of --renew is 1 where one is due and could not be made.

    \b
    Examples:
      mutua ca crl
      mutua ca crl --renew
      mutua ca crl --bundle > crl.pem
    """
    if renew:
        home.crls.publish_all() if everything else home.crls.publish_due()
        home.crls.write_files()
    due = {(authority.id, shard) for authority, shard in home.crls.due()}
    code = ExitCode.NEGATIVE if renew and due else ExitCode.OK
    if bundle:
        sys.stdout.buffer.write(home.crls.bundle())
        sys.stdout.buffer.flush()
        return code
    published = home.crls.everything().values()
    if as_json:
        json_data(
            [
                {
                    "ca": each.authority,
                    "shard": each.shard,
                    "number": each.number,
                    "this_update": each.this_update,
                    "next_update": each.next_update,
                    "due": (each.authority, each.shard) in due,
                    "file": str(home.crls.path(each.authority, each.shard)),
                }
                for each in published
            ]
        )
        return code
    table(
        ["CA", "PART", "NUMBER", "MADE", "UNTIL", "FILE"],
        [
            (
                each.authority,
                str(each.shard or "whole"),
                str(each.number),
                day(each.this_update),
                day(each.next_update),
                str(home.crls.path(each.authority, each.shard)),
            )
            for each in published
        ],
    )
    for authority, shard in sorted(due):
        talk(f"warning: the CRL of {authority}{f' part {shard}' if shard else ''} is due: mutua ca crl --renew")
    return code
