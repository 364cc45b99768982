from __future__ import annotations

import pytest

from weighbridge.auth.people import Role
from weighbridge.auth.sign_in_rules import OidcRules, RoleRule, SignInRules

RULES = OidcRules("https://id.test", "wb", roles=(RoleRule(Role.ADMIN, "admins"), RoleRule(Role.VIEWER, "staff")))


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["admins"], Role.ADMIN),
        (["staff", "admins"], Role.ADMIN),
        (["staff"], Role.VIEWER),
        (["Admins", "admins "], None),
        ([], None),
    ],
)
def test_the_first_rule_that_fits_counts(groups, role):
    found = RULES.rule_for(groups)
    assert (found.role if found else None) is role


def test_a_rule_without_a_group_is_for_everybody():
    everybody = OidcRules("https://id.test", "wb", roles=(RoleRule(Role.OWNER, "boss"), RoleRule(Role.MEMBER)))
    assert everybody.rule_for(()).role is Role.MEMBER


@pytest.mark.parametrize(
    ("rules", "is_secure"),
    [
        (SignInRules(), False),
        (SignInRules(public_url="http://127.0.0.1:8080"), False),
        (SignInRules(public_url="https://gateway.test"), True),
        (SignInRules(has_tls=True), True),
    ],
)
def test_cookies_are_for_https_where_browsers_come_so(rules, is_secure):
    assert rules.is_secure is is_secure
