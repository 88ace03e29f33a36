"""``mutua ca crl``."""

import sys

import click

from mutua.cli.options import home_option, json_option
from mutua.cli.output import day, json_data, table, talk
from mutua.home.home import Home


@click.command()
@click.option("--renew", is_flag=True, help="Make those anew first that are due; with --all, every one.")
@click.option("--all", "everything", is_flag=True, help="With --renew: also those that are good for a while yet.")
@click.option("--bundle", is_flag=True, help="Print every CRL in PEM instead, for nginx or haproxy.")
@home_option
@json_option
def crl(home: Home, *, renew: bool, everything: bool, bundle: bool, as_json: bool) -> None:
    """Show the revocation lists, or make them anew.

    They are made anew by themselves on every revocation, and at half their life by any process of mutua that runs.

    \b
    Examples:
      mutua ca crl
      mutua ca crl --renew
      mutua ca crl --bundle > crl.pem
    """
    if renew:
        home.crls.publish_all() if everything else home.crls.publish_due()
    if bundle:
        sys.stdout.buffer.write(home.crls.bundle())
        sys.stdout.buffer.flush()
        return
    published = home.crls.everything().values()
    due = {(authority.id, shard) for authority, shard in home.crls.due()}
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
        return
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
