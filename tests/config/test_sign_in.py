from __future__ import annotations

import pytest

from weighbridge.auth.people import Place, Role
from weighbridge.auth.sign_in_rules import OidcRules, RoleRule, SignInRules
from weighbridge.config import sign_in_fields
from weighbridge.config.load import load_config
from weighbridge.config.problems import ConfigError
from weighbridge.config.sign_in import compile_sign_in
from weighbridge.core.secret import Secret

URL = "server: {public_url: 'https://gateway.test/'}\n"
LEAST = "issuer: https://id.test/realms/x/, client_id: wb"


@pytest.fixture
def rules(tmp_path):
    def of(text):
        file = tmp_path / "weighbridge.yaml"
        file.write_text("providers: {demo: {}}\n" + text)
        return compile_sign_in(load_config(file, environ={"OIDC_SECRET": "s3cret"}).config)

    return of


def told(refused):
    return "\n".join(problem.render(None) for problem in refused.value.problems)


def test_passwords_are_one_way_until_somebody_says_otherwise(rules):
    assert rules("") == SignInRules()
    assert rules("sign_in: {password: false}") == SignInRules(takes_passwords=False)


def test_every_field_counts(rules):
    text = f"""{URL}
sign_in:
  oidc:
    issuer: https://id.test/realms/x/
    client_id: wb
    client_secret: ${{OIDC_SECRET}}
    name: Acme
    scopes: [openid, email, groups]
    user_claim: upn
    groups_claim: realm_access.roles
    create_users: true
    allowed_domains: [acme.test]
    roles:
      - {{group: gw-admins, role: admin}}
      - {{group: search, role: member, organisation: acme, team: search}}
      - {{role: viewer}}
"""
    roles = (RoleRule(Role.ADMIN, "gw-admins"), RoleRule(Role.MEMBER, "search", Place("acme", "search")), RoleRule(Role.VIEWER))
    assert rules(text) == SignInRules(
        public_url="https://gateway.test",
        oidc=OidcRules(
            "https://id.test/realms/x",
            "wb",
            Secret("s3cret"),
            "Acme",
            ("openid", "email", "groups"),
            "upn",
            "realm_access.roles",
            roles,
            creates_users=True,
            allowed_domains=frozenset({"acme.test"}),
        ),
    )


@pytest.mark.parametrize(
    ("oidc", "words"),
    [
        ("client_id: wb", "issuer: is required"),
        ("issuer: https://id.test", "client_id: is required"),
        ("issuer: 'http://id.test', client_id: wb", "must be an `https://` URL"),
        (f"{LEAST}, scopes: [email]", "must have `openid`"),
        (f"{LEAST}, scopes: ['openid email']", "scopes"),
        (f"{LEAST}, create_users: true", "roles: is needed where users are created"),
        (f"{LEAST}, roles: [{{group: x}}]", "role: is required"),
        (f"{LEAST}, roles: [{{group: x, role: root}}]", "role"),
        (f"{LEAST}, allowed_domains: [Acme.test]", "allowed_domains"),
        (f"{LEAST}, ca_file: gone.pem", "cannot be read"),
        (f"{LEAST}, ca_file: weighbridge.yaml", "no certificate in PEM form"),
        ("issuer: 'https://accounts.google.com', client_id: wb", "everybody can have an account"),
    ],
)
def test_what_no_provider_can_be_is_told(rules, oidc, words):
    with pytest.raises(ConfigError) as refused:
        rules(f"{URL}sign_in: {{oidc: {{{oidc}}}}}")
    assert words in told(refused)


@pytest.mark.parametrize("issuer", ["http://localhost:1234", "http://127.0.0.1:1", "http://[::1]:9/x"])
def test_a_provider_on_this_machine_needs_no_tls(rules, issuer):
    assert rules(f"{URL}sign_in: {{oidc: {{issuer: '{issuer}', client_id: wb}}}}").oidc.issuer == issuer


def test_a_provider_has_to_know_where_to_send_people_back_to(rules):
    with pytest.raises(ConfigError, match="public_url") as refused:
        rules(f"sign_in: {{oidc: {{{LEAST}}}}}")
    assert "server.public_url" in told(refused)


def test_the_public_url_has_no_path(rules):
    with pytest.raises(ConfigError) as refused:
        rules("server: {public_url: 'https://gateway.test/wb'}")
    assert "must have no path" in told(refused)


def test_a_missing_library_is_told_before_anybody_signs_in(rules, monkeypatch):
    monkeypatch.setattr(sign_in_fields, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as refused:
        rules(f"{URL}sign_in: {{oidc: {{{LEAST}}}}}")
    assert "pip install 'weighbridge[oidc]'" in told(refused)
