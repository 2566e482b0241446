"""The wording of what the community says of a group (SPEC M3)."""

from portal.centres import profile
from portal.core.words import Words
from portal.signup.eligibility.models import GroupClaim


def _who(claim: GroupClaim) -> str:
    return claim.relative.name if claim.relative else "您"


def confirmed(claim: GroupClaim) -> Words:
    return Words("sign_up.group", f"社区已确认：{profile.group_words([claim.group_code])}",
                 f"{_who(claim)}可以报《{claim.entry.title}》了，打开就能报。以后同类活动不用再确认。",
                 f"/services/{claim.entry_id}?for={claim.relative_id or 'me'}")  # fmt: skip


def refused(claim: GroupClaim) -> Words:
    phone = claim.entry.call_phone
    return Words("sign_up.group", f"社区没有确认：{profile.group_words([claim.group_code])}",
                 f"原因：{claim.reason}。{_who(claim)}暂时不能报《{claim.entry.title}》；情况有变可以再请社区确认。"
                 f"{f'有疑问请打电话 {phone}。' if phone else ''}", f"/services/{claim.entry_id}")  # fmt: skip
