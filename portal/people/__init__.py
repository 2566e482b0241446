"""Residents, relatives, staff accounts; signing in; the audit page."""

from flask import Flask
from flask_login import LoginManager

from portal.core import clock, registry
from portal.core.access import Permission

WORDS = {
    "mend": "整理旧记录",
    "sign_in": "登录", "open": "新建账户", "reset": "重置密码", "hand_over": "管理员变动", "disable": "停用账户",
    "enable": "恢复账户", "change_role": "改角色", "transfer": "调动账户", "change_password": "修改密码",
    "end_session": "结束登录", "second_factor_on": "开启两步验证", "second_factor_off": "关闭两步验证",
    "reset_second_factor": "重置两步验证", "second_factor_wrong": "两步验证码不对", "recovery_codes": "换备用码",
    "proof_wrong": "再次验证没有通过", "change_phone": "居民换手机号", "read_out": "读登录码",
    "unmask": "查看完整信息", "accept_lost_key": "为遗失密钥的记录作保", "erase": "居民注销", "import": "导入阵地",
    "open_department": "新建部门", "edit_department": "修改部门", "close_department": "停用部门",
    "reopen_department": "恢复部门", "department": "职能部门",
    "staff_account": "账户", "resident": "居民", "centre": "阵地", "audit_log": "操作记录",
    "username": "用户名", "name": "姓名或名称", "phone": "电话", "role": "角色", "state": "状态", "address": "地址",
    "web_session": "登录",
}  # fmt: skip


def register(app: Flask) -> None:
    """Add this feature's pages, handlers and commands to the app."""
    from portal.people import cli, gaps, proof_views, staff, viewer  # noqa: F401  # proof_views: hangs pages on both faces
    from portal.people.public import own_data_views, profile_views, views  # noqa: F401

    registry.audit_word(**WORDS)
    app.context_processor(viewer.context)
    app.register_blueprint(views.face)
    staff.register(app)
    for command in (cli.init, cli.import_accounts, cli.sign_out):
        app.cli.add_command(command)
    registry.gap(gaps.LABEL, gaps.without_account, gaps.where_to_open_one, Permission.ACCOUNTS)


def load_viewers(login: LoginManager) -> None:
    """Tell Flask-Login how a session token becomes a viewer."""
    from portal.people import viewer

    login.user_loader(lambda token: viewer.load(token, clock.now()))
