"""Every write of the catalogue, by subject in the modules named here; pages call them through this one."""

from portal.catalogue.actions.changing import apply_change, ask_change, cancel_entry, refuse_change, take_back_change
from portal.catalogue.actions.drafting import (
    confirm_checked,
    copy_month,
    draft_entry,
    drop_entry,
    edit_entry,
    forget_template,
    repeat_weekly,
    save_template,
    use_template,
)
from portal.catalogue.actions.entry_values import values_of
from portal.catalogue.actions.importing import lay_aside_plan, mend_plan_row, preview_plan, take_in_plan
from portal.catalogue.actions.publishing import publish_due, publish_in_batches, publish_month, remind_due
from portal.catalogue.actions.reviewing import (
    allot,
    approve,
    approve_all,
    correct,
    hold_room,
    offer,
    recall,
    resubmit,
    return_entry,
    submit_issue,
)
from portal.catalogue.actions.service_types import import_services, load_categories, load_guides

__all__ = [
    "allot",
    "apply_change",
    "approve",
    "approve_all",
    "ask_change",
    "cancel_entry",
    "confirm_checked",
    "copy_month",
    "correct",
    "draft_entry",
    "drop_entry",
    "edit_entry",
    "forget_template",
    "hold_room",
    "import_services",
    "lay_aside_plan",
    "load_categories",
    "load_guides",
    "mend_plan_row",
    "offer",
    "preview_plan",
    "publish_due",
    "publish_in_batches",
    "publish_month",
    "recall",
    "refuse_change",
    "remind_due",
    "repeat_weekly",
    "resubmit",
    "return_entry",
    "save_template",
    "submit_issue",
    "take_back_change",
    "take_in_plan",
    "use_template",
    "values_of",
]
