"""Sign-up (报名): places, the waiting list, reminders, rosters, who came (SPEC S1-S6, S9, S10)."""

from flask import Flask

from portal.core import registry as registry_hooks

# How the audit page says what this feature does.
WORDS = {
    "sign_up": "报名", "sign_up.accept": "通过报名", "sign_up.refuse": "不通过报名", "sign_up.withdraw": "办理退出",
    "sign_up.add": "代为报名", "sign_up.merge": "并到别的活动", "sign_up.review": "整批审核报名",
    "sign_up.review_undone": "撤回整批审核", "sign_up.message": "给大家发消息", "attendance.check": "核对签到名单",
    "no_show": "报名没到", "no_show.excuse": "申诉通过", "no_show.uphold": "申诉没有通过",
    "set_no_show_rule": "定报名没到的规定", "no_show_rule": "报名没到的规定", "rule": "规定",
    "sign_up.add_over": "不合人群要求也代为报名", "places": "名额",
}  # fmt: skip


def register(app: Flask) -> None:
    """Add this feature's pages, handlers and deadlines to the app."""
    # Importing them registers what is evaluated, due, waiting and carried out by the outbox.
    from portal.signup import (  # noqa: F401
        evaluating,
        handlers,
        registry,
        reminders,
        views_papers,
        views_resident,
        views_review,
        views_staff,
    )

    registry_hooks.audit_word(**WORDS)
    from portal.signup.attendance import views_resident as check_in
    from portal.signup.attendance import views_staff as check_in_staff
    from portal.signup.eligibility import handlers as _group_handlers  # noqa: F401
    from portal.signup.eligibility import registry as _groups  # noqa: F401
    from portal.signup.eligibility import views_staff as _group_pages  # noqa: F401
    from portal.signup.no_shows import registry as _  # noqa: F401
    from portal.signup.no_shows import views as no_shows
    from portal.signup.organiser import views as organiser

    for blueprint in (views_resident.bp, views_staff.bp, check_in.bp, check_in_staff.bp, organiser.bp, no_shows.bp):
        app.register_blueprint(blueprint)
