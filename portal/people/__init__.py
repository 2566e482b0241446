"""Residents, relatives, staff accounts; signing in; the audit page."""

from flask import Flask
from flask_login import LoginManager

from portal.core import clock, registry
from portal.core.access import Permission

WORDS = {
    "sign_in": "登录", "open": "新建账户", "reset": "重置密码", "hand_over": "管理员变动", "disable": "停用账户",
    "enable": "恢复账户", "change_role": "改角色", "transfer": "调动账户", "change_password": "修改密码",
    "end_session": "结束登录", "unmask": "查看完整信息",
    "accept_lost_key": "为遗失密钥的记录作保", "erase": "居民注销", "import": "导入阵地",
    "staff_account": "账户", "resident": "居民", "centre": "阵地", "audit_log": "操作记录",
    "username": "用户名", "name": "姓名或名称", "phone": "电话", "role": "角色", "state": "状态", "address": "地址",
}  # fmt: skip


def register(app: Flask) -> None:
    """Add this feature's pages, handlers and commands to the app."""
    # views_accounts, views_audit and views_profile hang their pages on the two blueprints when they are imported.
    from portal.people import cli, viewer, views_accounts, views_audit, views_profile, views_resident, views_staff  # noqa: F401

    registry.audit_word(**WORDS)
    app.context_processor(viewer.context)
    for blueprint in (views_resident.face, views_staff.face):
        app.register_blueprint(blueprint)
    app.cli.add_command(cli.init)
    registry.nav("accounts", "账户", "users", "people_staff.accounts", Permission.ACCOUNTS, 80)
    registry.nav("audit", "操作记录", "history", "people_staff.audit", Permission.AUDIT, 90)


def load_viewers(login: LoginManager) -> None:
    """Tell Flask-Login how a session token becomes a viewer."""
    from portal.people import viewer

    login.user_loader(lambda token: viewer.load(token, clock.now()))
