CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0019');
CREATE TABLE all_latencies (
	grain SMALLINT NOT NULL,
	start BIGINT NOT NULL,
	measure SMALLINT NOT NULL,
	bucket SMALLINT NOT NULL,
	n BIGINT NOT NULL,
	PRIMARY KEY (grain, start, measure, bucket)
)
 WITHOUT ROWID

;
CREATE TABLE allowances (
	id TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	version INTEGER NOT NULL,
	kind TEXT NOT NULL,
	content JSON NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE archives (
	first INTEGER NOT NULL,
	last BIGINT NOT NULL,
	rows BIGINT NOT NULL,
	is_done BOOLEAN NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (first)
);
CREATE TABLE audit_log (
	id INTEGER NOT NULL,
	at BIGINT NOT NULL,
	actor TEXT NOT NULL,
	address TEXT NOT NULL,
	action TEXT NOT NULL,
	kind TEXT NOT NULL,
	subject_id TEXT NOT NULL,
	subject TEXT NOT NULL,
	"before" JSON NOT NULL,
	"after" JSON NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE balances (
	account INTEGER NOT NULL,
	debits BIGINT NOT NULL,
	credits BIGINT NOT NULL,
	entries BIGINT NOT NULL,
	PRIMARY KEY (account)
);
CREATE TABLE charges (
	seq INTEGER NOT NULL,
	counter INTEGER NOT NULL,
	request BIGINT NOT NULL,
	amount BIGINT NOT NULL,
	PRIMARY KEY (seq)
);
CREATE TABLE corrected_attempts (
	correction TEXT NOT NULL,
	request_id TEXT NOT NULL,
	attempt SMALLINT NOT NULL,
	series INTEGER NOT NULL,
	cost BIGINT NOT NULL,
	charge BIGINT NOT NULL,
	PRIMARY KEY (correction, request_id, attempt)
);
CREATE TABLE counters (
	counter INTEGER NOT NULL,
	amount BIGINT NOT NULL,
	PRIMARY KEY (counter)
);
CREATE TABLE credit_accounts (
	id TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	version INTEGER NOT NULL,
	payer TEXT NOT NULL,
	is_prepaid BOOLEAN NOT NULL,
	alert_below BIGINT NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (payer)
);
CREATE TABLE credits (
	id TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	account TEXT NOT NULL,
	kind TEXT NOT NULL,
	amount BIGINT NOT NULL,
	expires_at BIGINT,
	expired_at BIGINT,
	expired BIGINT NOT NULL,
	note TEXT NOT NULL,
	actor TEXT NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE entries (
	seq INTEGER NOT NULL,
	ref TEXT NOT NULL,
	debit INTEGER NOT NULL,
	credit INTEGER NOT NULL,
	amount BIGINT NOT NULL,
	kind SMALLINT NOT NULL,
	at BIGINT NOT NULL,
	request_id TEXT NOT NULL,
	attempt SMALLINT NOT NULL,
	expires_at BIGINT NOT NULL,
	note TEXT NOT NULL,
	PRIMARY KEY (seq)
);
CREATE TABLE erasures (
	id TEXT NOT NULL,
	at BIGINT NOT NULL,
	kind TEXT NOT NULL,
	salt BLOB NOT NULL,
	digest BLOB NOT NULL,
	actor TEXT NOT NULL,
	requests BIGINT NOT NULL,
	feedback BIGINT NOT NULL,
	responses BIGINT NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE facet_filling (
	next INTEGER NOT NULL,
	last BIGINT NOT NULL,
	PRIMARY KEY (next)
);
CREATE TABLE facets (
	facet SMALLINT NOT NULL,
	grain SMALLINT NOT NULL,
	start BIGINT NOT NULL,
	series INTEGER NOT NULL,
	value INTEGER NOT NULL,
	requests BIGINT NOT NULL,
	errors BIGINT NOT NULL,
	input BIGINT NOT NULL,
	cache_read BIGINT NOT NULL,
	cache_write BIGINT NOT NULL,
	output BIGINT NOT NULL,
	reasoning BIGINT NOT NULL,
	cost BIGINT NOT NULL,
	estimated BIGINT NOT NULL,
	unknown_costs BIGINT NOT NULL,
	fallbacks BIGINT NOT NULL,
	charged BIGINT NOT NULL, cache_saved BIGINT DEFAULT '0' NOT NULL, own_cost BIGINT DEFAULT '0' NOT NULL,
	PRIMARY KEY (facet, grain, start, series, value)
)
 WITHOUT ROWID

;
CREATE TABLE feedback (
	id TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	request_id TEXT NOT NULL,
	rater TEXT NOT NULL,
	series INTEGER NOT NULL,
	score FLOAT,
	label TEXT NOT NULL,
	comment TEXT NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE firing_alerts (
	"key" TEXT NOT NULL,
	host TEXT NOT NULL,
	since BIGINT NOT NULL,
	content JSON NOT NULL,
	PRIMARY KEY ("key")
);
CREATE TABLE idempotent_creates (
	digest BLOB NOT NULL,
	request BLOB NOT NULL,
	subject_id TEXT NOT NULL,
	sealed BLOB,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (digest)
);
CREATE TABLE journal_positions (
	journal_id TEXT NOT NULL,
	sequence BIGINT NOT NULL,
	"offset" BIGINT NOT NULL,
	is_closed BOOLEAN NOT NULL,
	PRIMARY KEY (journal_id)
);
CREATE TABLE labels (
	id INTEGER NOT NULL,
	text TEXT NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (text)
);
CREATE TABLE late_span (
	first INTEGER NOT NULL,
	until BIGINT NOT NULL,
	PRIMARY KEY (first)
);
CREATE TABLE latencies (
	grain SMALLINT NOT NULL,
	start BIGINT NOT NULL,
	series INTEGER NOT NULL,
	measure SMALLINT NOT NULL,
	bucket SMALLINT NOT NULL,
	n BIGINT NOT NULL,
	PRIMARY KEY (grain, start, series, measure, bucket)
)
 WITHOUT ROWID

;
CREATE TABLE lease_pools (
	counter TEXT NOT NULL,
	short_at BIGINT NOT NULL,
	short_host TEXT NOT NULL,
	PRIMARY KEY (counter)
);
CREATE TABLE leases (
	counter TEXT NOT NULL,
	host TEXT NOT NULL,
	amount BIGINT NOT NULL,
	changed_at BIGINT NOT NULL,
	PRIMARY KEY (counter, host)
);
CREATE TABLE open_attempts (
	journal_id TEXT NOT NULL,
	request_id TEXT NOT NULL,
	attempt SMALLINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (journal_id, request_id, attempt)
);
CREATE TABLE organisations (
	id TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	version INTEGER NOT NULL,
	name TEXT NOT NULL,
	is_blocked BOOLEAN NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (name)
);
CREATE TABLE payloads (
	request_id TEXT NOT NULL,
	expires_at BIGINT NOT NULL,
	request BLOB NOT NULL,
	request_bytes BIGINT NOT NULL,
	request_is_whole BOOLEAN NOT NULL,
	reply BLOB NOT NULL,
	reply_bytes BIGINT NOT NULL,
	reply_is_whole BOOLEAN NOT NULL,
	reply_type TEXT NOT NULL,
	PRIMARY KEY (request_id)
);
CREATE TABLE price_corrections (
	id TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	actor TEXT NOT NULL,
	reason TEXT NOT NULL,
	models TEXT NOT NULL,
	from_s BIGINT NOT NULL,
	to_s BIGINT NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE provider_keys (
	id TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	version INTEGER NOT NULL,
	owner_kind TEXT NOT NULL,
	owner TEXT NOT NULL,
	provider TEXT NOT NULL,
	label TEXT NOT NULL,
	hint TEXT NOT NULL,
	master_key TEXT NOT NULL,
	sealed BLOB NOT NULL,
	falls_back BOOLEAN NOT NULL,
	is_disabled BOOLEAN NOT NULL,
	last_used_at BIGINT,
	PRIMARY KEY (id)
);
CREATE TABLE records (
	id INTEGER NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE requests (
	id INTEGER NOT NULL,
	request_id TEXT NOT NULL,
	at BIGINT NOT NULL,
	series INTEGER NOT NULL,
	end_user INTEGER NOT NULL,
	session INTEGER NOT NULL,
	tags INTEGER NOT NULL,
	requested_model INTEGER NOT NULL,
	dialect INTEGER NOT NULL,
	operation INTEGER NOT NULL,
	error INTEGER NOT NULL,
	finish_reason INTEGER NOT NULL,
	status SMALLINT NOT NULL,
	is_stream BOOLEAN NOT NULL,
	provenance SMALLINT NOT NULL,
	price_state SMALLINT NOT NULL,
	input BIGINT NOT NULL,
	cache_read BIGINT NOT NULL,
	cache_write BIGINT NOT NULL,
	output BIGINT NOT NULL,
	reasoning BIGINT NOT NULL,
	cost BIGINT,
	duration_us BIGINT NOT NULL,
	first_byte_us BIGINT,
	overhead_us BIGINT NOT NULL,
	attempts SMALLINT NOT NULL,
	first_entry BIGINT NOT NULL,
	entries SMALLINT NOT NULL, charged BIGINT DEFAULT '0' NOT NULL, cache_saved BIGINT DEFAULT '0' NOT NULL, own_cost BIGINT DEFAULT '0' NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE retiring_secrets (
	digest BLOB NOT NULL,
	key_id TEXT NOT NULL,
	hint TEXT NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (digest)
);
CREATE TABLE revision (
	id INTEGER NOT NULL,
	value BIGINT NOT NULL,
	PRIMARY KEY (id)
);
INSERT INTO "revision" VALUES(1,0);
CREATE TABLE rollups (
	grain SMALLINT NOT NULL,
	start BIGINT NOT NULL,
	series INTEGER NOT NULL,
	requests BIGINT NOT NULL,
	errors BIGINT NOT NULL,
	input BIGINT NOT NULL,
	cache_read BIGINT NOT NULL,
	cache_write BIGINT NOT NULL,
	output BIGINT NOT NULL,
	reasoning BIGINT NOT NULL,
	cost BIGINT NOT NULL,
	estimated BIGINT NOT NULL,
	unknown_costs BIGINT NOT NULL,
	fallbacks BIGINT NOT NULL, charged BIGINT DEFAULT '0' NOT NULL, cache_saved BIGINT DEFAULT '0' NOT NULL, own_cost BIGINT DEFAULT '0' NOT NULL,
	PRIMARY KEY (grain, start, series)
)
 WITHOUT ROWID

;
CREATE TABLE series (
	id INTEGER NOT NULL,
	"key" INTEGER NOT NULL,
	team INTEGER NOT NULL,
	owner INTEGER NOT NULL,
	organisation INTEGER NOT NULL,
	route INTEGER NOT NULL,
	provider INTEGER NOT NULL,
	model INTEGER NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE stored_responses (
	id TEXT NOT NULL,
	key_id TEXT NOT NULL,
	content BLOB NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE teams (
	id TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	version INTEGER NOT NULL,
	name TEXT NOT NULL,
	organisation TEXT NOT NULL,
	is_blocked BOOLEAN NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (name)
);
CREATE TABLE users (
	id TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	version INTEGER NOT NULL,
	login TEXT NOT NULL,
	name TEXT NOT NULL,
	email TEXT,
	role TEXT NOT NULL,
	organisation TEXT NOT NULL,
	team TEXT NOT NULL,
	is_blocked BOOLEAN NOT NULL,
	password_hash TEXT, issuer TEXT, subject TEXT, role_by_groups BOOLEAN DEFAULT 0 NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (login)
);
CREATE TABLE virtual_keys (
	id TEXT NOT NULL,
	name TEXT NOT NULL,
	digest BLOB NOT NULL,
	hint TEXT NOT NULL,
	models JSON NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT,
	revoked_at BIGINT,
	is_admin BOOLEAN NOT NULL, team TEXT DEFAULT '' NOT NULL, owner TEXT DEFAULT '' NOT NULL, organisation TEXT DEFAULT '' NOT NULL, addresses JSON DEFAULT '[]' NOT NULL, tags JSON DEFAULT '[]' NOT NULL, demand JSON DEFAULT '{}' NOT NULL, priority INTEGER DEFAULT '0' NOT NULL, version INTEGER DEFAULT '1' NOT NULL, is_blocked BOOLEAN DEFAULT 0 NOT NULL, max_output_tokens BIGINT,
	PRIMARY KEY (id)
);
CREATE UNIQUE INDEX virtual_keys_digest ON virtual_keys (digest);
CREATE INDEX virtual_keys_newest ON virtual_keys (created_at, id);
CREATE UNIQUE INDEX virtual_keys_live_name ON virtual_keys (name) WHERE revoked_at IS NULL;
CREATE INDEX stored_responses_expiry ON stored_responses (expires_at);
CREATE UNIQUE INDEX series_all ON series ("key", team, owner, organisation, route, provider, model);
CREATE INDEX requests_request_id ON requests (request_id);
CREATE INDEX requests_at ON requests (at);
CREATE INDEX requests_end_user ON requests (end_user, at) WHERE end_user != 0;
CREATE INDEX requests_session ON requests (session, at) WHERE session != 0;
CREATE INDEX requests_error ON requests (error, at) WHERE error != 0;
CREATE INDEX requests_tags ON requests (tags, at) WHERE tags != 0;
CREATE UNIQUE INDEX entries_ref ON entries (ref) WHERE ref != '';
CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries of the ledger are never changed: book an adjustment'); END;
CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries of the ledger are never changed: book an adjustment'); END;
CREATE INDEX virtual_keys_team ON virtual_keys (team);
CREATE INDEX virtual_keys_owner ON virtual_keys (owner);
CREATE INDEX virtual_keys_organisation ON virtual_keys (organisation);
CREATE INDEX retiring_secrets_key ON retiring_secrets (key_id);
CREATE INDEX teams_organisation ON teams (organisation);
CREATE INDEX idempotent_creates_expiry ON idempotent_creates (expires_at);
CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END;
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END;
CREATE INDEX leases_host ON leases (host);
CREATE INDEX lease_pools_short ON lease_pools (short_at);
CREATE INDEX credits_account ON credits (account, created_at, id);
CREATE INDEX credits_expiry ON credits (expires_at);
CREATE INDEX price_corrections_at ON price_corrections (created_at);
CREATE INDEX corrected_attempts_request ON corrected_attempts (request_id);
CREATE UNIQUE INDEX feedback_rater ON feedback (request_id, rater);
CREATE INDEX feedback_newest ON feedback (created_at, id);
CREATE INDEX erasures_at ON erasures (at, id);
CREATE INDEX provider_keys_newest ON provider_keys (created_at, id);
CREATE INDEX provider_keys_owner ON provider_keys (owner_kind, owner);
CREATE UNIQUE INDEX users_account ON users (issuer, subject);
CREATE INDEX payloads_expiry ON payloads (expires_at);
