"""`flask check-gateways`: whether the settings would let messages leave (contract: check-gateways)."""

import click
from flask import current_app
from flask.cli import with_appcontext

from portal.notices import gateways, kinds, rules

WAYS = {rules.SMS: "短信", rules.WECHAT: "微信", rules.VOICE: "语音"}


@click.command("check-gateways")
@with_appcontext
def check_gateways() -> None:
    """Check providers, keys and templates against the kinds of messages; asks nobody outside. Exit code 1: faults."""
    config = current_app.config
    for channel, there in gateways.connected(config).items():
        click.echo(f"{WAYS[channel]}：{'已接通' if there else '没有接，消息留在消息出口页'}")
    found = gateways.faults(config, {kind.code: kind.rings for kind in kinds.to_residents()})
    for fault in found:
        click.echo(fault, err=True)
    if found:
        raise click.ClickException(f"{len(found)} 处要改（docs/operations.md）。")
    click.echo("模板和参数都对得上。")
