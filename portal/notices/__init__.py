"""Messages to people: the inbox in the portal always, a text to the phone where configured (SPEC M1-M3)."""

from flask import Flask


def register(app: Flask) -> None:
    """Add this feature's pages, handlers and commands to the app."""
    from portal.notices import cli, gateways, handlers, views_hooks, views_resident, views_staff, views_wechat

    try:
        gateways.configured(app.config)
    except ValueError as error:
        raise SystemExit(f"{error} (flask check-gateways, docs/operations.md)") from error
    handlers.install()
    app.cli.add_command(cli.check_gateways)
    app.register_blueprint(views_resident.bp)
    app.register_blueprint(views_staff.bp)
    app.register_blueprint(views_hooks.bp)
    app.register_blueprint(views_wechat.bp)
    for hook in (views_hooks.sms_receipts, views_hooks.wechat_event):  # called by machines, which prove themselves
        app.extensions["csrf"].exempt(hook)
