"""The tables as they are now. `migrations/versions/` holds the way to here; a test keeps the two equal.

Times are Unix nanoseconds. Text that is compared byte for byte (ids, names) has no collation of its own.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    false,
)

metadata: Final = MetaData()

virtual_keys: Final = Table(
    "virtual_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("hint", Text, nullable=False),
    Column("models", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("is_admin", Boolean, nullable=False),
    Column("team", Text, nullable=False, server_default=""),
    Column("owner", Text, nullable=False, server_default=""),
    Column("organisation", Text, nullable=False, server_default=""),
    Column("addresses", JSON, nullable=False, server_default="[]"),
    Column("tags", JSON, nullable=False, server_default="[]"),
    Column("demand", JSON, nullable=False, server_default="{}"),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("is_blocked", Boolean, nullable=False, server_default=false()),
    Column("max_output_tokens", BigInteger),
)
"""`owner` is the user's login (`user` is a word of SQL). `version` counts the changes of a row, here and below."""
Index("virtual_keys_digest", virtual_keys.c.digest, unique=True)
Index("virtual_keys_newest", virtual_keys.c.created_at, virtual_keys.c.id)

Index("virtual_keys_team", virtual_keys.c.team)
Index("virtual_keys_owner", virtual_keys.c.owner)
Index("virtual_keys_organisation", virtual_keys.c.organisation)

retiring_secrets: Final = Table(
    "retiring_secrets",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
"""Secrets that a rotation has replaced, and until when they still open their key."""
Index("retiring_secrets_key", retiring_secrets.c.key_id)


def _common() -> tuple[Column[Any], ...]:
    return (
        Column("id", Text, primary_key=True),
        Column("created_at", BigInteger, nullable=False),
        Column("version", Integer, nullable=False),
    )


organisations: Final = Table(
    "organisations",
    metadata,
    *_common(),
    Column("name", Text, nullable=False, unique=True),
    Column("is_blocked", Boolean, nullable=False),
)

teams: Final = Table(
    "teams",
    metadata,
    *_common(),
    Column("name", Text, nullable=False, unique=True),
    Column("organisation", Text, nullable=False),
    Column("is_blocked", Boolean, nullable=False),
)
Index("teams_organisation", teams.c.organisation)

users: Final = Table(
    "users",
    metadata,
    *_common(),
    Column("login", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("role", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("is_blocked", Boolean, nullable=False),
    Column("password_hash", Text),
    Column("issuer", Text),
    Column("subject", Text),
    Column("role_by_groups", Boolean, nullable=False, server_default=false()),
)
Index("users_account", users.c.issuer, users.c.subject, unique=True)

allowances: Final = Table(
    "allowances",
    metadata,
    *_common(),
    Column("kind", Text, nullable=False),
    Column("content", JSON, nullable=False),
)
"""Budgets and limits (`kind`), as `core.allowances` has them."""

credit_accounts: Final = Table(
    "credit_accounts",
    metadata,
    *_common(),
    Column("payer", Text, nullable=False, unique=True),
    Column("is_prepaid", Boolean, nullable=False),
    Column("alert_below", BigInteger, nullable=False),
)
"""Customers who were given credits (`payer`: see `ledger.books.payer_of`), and whether they may spend no more than those."""

credits_given: Final = Table(
    "credits",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("account", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("expired_at", BigInteger),
    Column("expired", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    Column("actor", Text, nullable=False),
)
"""Each top-up and grant; `expired` is what was left of it when its time was over. The ledger has an entry of each."""
Index("credits_account", credits_given.c.account, credits_given.c.created_at, credits_given.c.id)
Index("credits_expiry", credits_given.c.expires_at)

price_corrections: Final = Table(
    "price_corrections",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("models", Text, nullable=False),
    Column("from_s", BigInteger, nullable=False),
    Column("to_s", BigInteger, nullable=False),
)
Index("price_corrections_at", price_corrections.c.created_at)

corrected_attempts: Final = Table(
    "corrected_attempts",
    metadata,
    Column("correction", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("attempt", SmallInteger, primary_key=True),
    Column("series", Integer, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("charge", BigInteger, nullable=False),
)
"""What a correction has added to an attempt's cost, and (with the first of a request's attempts) to its customer's charge."""
Index("corrected_attempts_request", corrected_attempts.c.request_id)

feedback: Final = Table(
    "feedback",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("rater", Text, nullable=False),
    Column("series", Integer, nullable=False),
    Column("score", Float),
    Column("label", Text, nullable=False),
    Column("comment", Text, nullable=False),
)
"""What people think of answers, one opinion of each rater; `series` is who asked and who answered."""
Index("feedback_rater", feedback.c.request_id, feedback.c.rater, unique=True)
Index("feedback_newest", feedback.c.created_at, feedback.c.id)

provider_keys: Final = Table(
    "provider_keys",
    metadata,
    *_common(),
    Column("owner_kind", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("master_key", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("falls_back", Boolean, nullable=False),
    Column("is_disabled", Boolean, nullable=False),
    Column("last_used_at", BigInteger),
)
"""Keys at providers that customers have brought. `sealed` is AES-256-GCM under a key that only the configuration has, by the id in
`master_key`."""
Index("provider_keys_newest", provider_keys.c.created_at, provider_keys.c.id)
Index("provider_keys_owner", provider_keys.c.owner_kind, provider_keys.c.owner)

audit_log: Final = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", JSON, nullable=False),
    Column("after", JSON, nullable=False),
)
"""Every administrative act, in the transaction of the change itself. Triggers refuse to change or delete a row."""

idempotent_creates: Final = Table(
    "idempotent_creates",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("request", LargeBinary(32), nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("sealed", LargeBinary),
    Column("expires_at", BigInteger, nullable=False),
)
"""What an `Idempotency-Key` has made. `sealed` is a new key's secret, encrypted under the header, of which only a hash is here."""
Index("idempotent_creates_expiry", idempotent_creates.c.expires_at)

leases: Final = Table(
    "leases",
    metadata,
    Column("counter", Text, primary_key=True),
    Column("host", Text, primary_key=True),
    Column("amount", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)
"""What a host may use of a budget beyond what it has moved into the store."""
Index("leases_host", leases.c.host)

lease_pools: Final = Table(
    "lease_pools",
    metadata,
    Column("counter", Text, primary_key=True),
    Column("short_at", BigInteger, nullable=False),
    Column("short_host", Text, nullable=False),
)
"""A row for each counter, at which grants wait for each other; and which host has last wanted more than was free."""
Index("lease_pools_short", lease_pools.c.short_at)

firing_alerts: Final = Table(
    "firing_alerts",
    metadata,
    Column("key", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("content", JSON, nullable=False),
)
"""Conditions that operators were told of and that are not over."""

erasures: Final = Table(
    "erasures",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("actor", Text, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("feedback", BigInteger, nullable=False),
    Column("responses", BigInteger, nullable=False),
)
"""Who has asked to be forgotten (`core/erasure.py`), and how much that was. Never a name."""
Index("erasures_at", erasures.c.at, erasures.c.id)

payloads: Final = Table(
    "payloads",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("request_bytes", BigInteger, nullable=False),
    Column("request_is_whole", Boolean, nullable=False),
    Column("reply", LargeBinary, nullable=False),
    Column("reply_bytes", BigInteger, nullable=False),
    Column("reply_is_whole", Boolean, nullable=False),
    Column("reply_type", Text, nullable=False),
)
"""What was asked and answered, where it is kept (`payload_store.py`): texts, compressed."""
Index("payloads_expiry", payloads.c.expires_at)

stored_responses: Final = Table(
    "stored_responses",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
"""Responses of the Responses API that the gateway keeps for providers without a store of their own. `content` is compressed."""
Index("stored_responses_expiry", stored_responses.c.expires_at)

revision: Final = Table(
    "revision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("value", BigInteger, nullable=False),
)
"""One row, id 1. Every write adds one to it in its own transaction, so that a reader sees by one number whether to read on."""
