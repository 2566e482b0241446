"""Urgent help (紧急求助): alarm at two levels at once, taken by one, steps as rows, proof (SPEC H4)."""

from flask import Flask

from portal.core import registry as registry_hooks

WORDS = {
    "urgent_alarm": "紧急求助",
    "urgent_phone": "值班电话",
    "urgent.take": "接警",
    "urgent.move": "派人",
    "urgent.arrive": "到场",
    "urgent.close": "结束求助",
    "urgent.hand": "转 110/119/120",
    "urgent.mistake": "记为误触",
    "urgent.report": "写求助报告",
    "urgent.read": "看求助人的地址和电话",
    "urgent.force": "要求马上响铃",
    "urgent.give_away": "交给别人接警",
    "urgent_phone.add": "加值班电话",
    "urgent_phone.remove": "去掉值班电话",
}


def register(app: Flask) -> None:
    """Add this feature's pages, handlers and deadlines to the app."""
    # Importing them registers what is evaluated, due, a resident's, and carried out by the outbox.
    from portal.help_requests.urgent import handlers, poll, registry, views_desk, views_resident, views_staff  # noqa: F401

    registry_hooks.audit_word(**WORDS)
    for blueprint in (views_resident.bp, views_staff.bp, views_desk.bp):
        app.register_blueprint(blueprint)
    poll.init_app(app)
