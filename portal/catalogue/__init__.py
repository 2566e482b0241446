"""The monthly list of services: drawn up, reviewed, published, found."""

from flask import Flask

from portal.core import registry

# How the audit page says what this feature writes.
WORDS = {
    "draft_entry": "新建服务", "edit_entry": "修改服务", "copy_entry": "复制服务", "confirm_checked": "核对服务",
    "drop_entry": "删除服务", "save_template": "存为模板", "offer": "送审", "submit_issue": "上交清单",
    "offer_many": "整批送审",
    "accept": "并入清单", "pass_on": "审核通过", "approve": "审核通过", "return_entry": "退回", "correct": "审核更正",
    "resubmit": "改好送回", "recall": "撤回", "allot": "分配", "publish_month": "发布清单", "ask_edit": "申请变更",
    "ask_cancel": "申请取消", "apply_change": "同意变更", "refuse_change": "不同意变更",
    "change_at_once": "临时变动", "undo_change": "撤销临时变动",
    "take_back_change": "撤回变更申请", "preview_plan": "上传计划表", "take_in_plan": "导入计划表",
    "answer_plan_question": "确认计划表的阵地",
    "lay_aside_plan": "放弃计划表", "import_services": "导入服务项目",
    "set_dates": "定本月日期", "urge": "催交清单",
    "publish_early": "提前发布", "save_guide": "编写指南", "show_guide": "恢复指南", "hide_guide": "停用指南",
    "approve_many": "整批通过", "return_many": "整批退回", "drop_many": "整批删除", "set_category": "整批改类别",
    "set_place": "整批改地点", "take_back_step": "整批撤回", "step": "批次", "left": "没有动的",
    "set_synonyms": "改居民的说法", "synonyms": "居民的说法", "lines": "各组词",
    "guide": "指南", "hold_room": "补订场地",
    "entry": "服务", "issue": "月度清单", "plan_import": "计划表", "service_type": "服务项目", "entries": "条目",
}  # fmt: skip


def register(app: Flask) -> None:
    """Add this feature's pages, handlers and commands to the app."""
    # Importing these registers what waits, what is due and what the outbox carries out.
    from portal.catalogue import cli, follow_handlers, handlers, open_data, staff, waiting  # noqa: F401
    from portal.catalogue.actions import publishing, service_types  # noqa: F401
    from portal.catalogue.paper import pack_views
    from portal.catalogue.paper import views as paper_views
    from portal.catalogue.public import follow_views, following  # noqa: F401  # hang their pages and hooks in
    from portal.catalogue.public import views as public_views

    registry.audit_word(**WORDS)
    cli.register(app)
    app.register_blueprint(public_views.bp)
    open_data.register(app)
    app.register_blueprint(paper_views.bp)
    app.register_blueprint(pack_views.bp)
    staff.register(app)
