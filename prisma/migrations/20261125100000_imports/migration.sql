-- Imports: users of another system, read from its export. A run keeps how far it is in the transaction of each batch.

CREATE TABLE imports (
  id            uuid PRIMARY KEY,
  kind          text NOT NULL CHECK (kind ~ '^[a-z][a-z0-9-]{0,31}$'),
  -- SHA-256, hex: of the file, and of the mapping with which it was read. A run goes on only with the same two.
  source_sha256 text NOT NULL CHECK (source_sha256 ~ '^[0-9a-f]{64}$'),
  map_sha256    text NOT NULL CHECK (map_sha256 ~ '^[0-9a-f]{64}$'),
  source_bytes  bigint NOT NULL CHECK (source_bytes >= 0),
  -- The mapping itself: names of columns and roles, never a value of a user.
  map           jsonb NOT NULL DEFAULT '{}' CHECK (octet_length(map::text) <= 65536),
  state         text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
  -- Records of the source that are imported or rejected, and the bytes read for them.
  position      bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
  position_bytes bigint NOT NULL DEFAULT 0 CHECK (position_bytes >= 0),
  new_count     bigint NOT NULL DEFAULT 0 CHECK (new_count >= 0),
  changed_count bigint NOT NULL DEFAULT 0 CHECK (changed_count >= 0),
  same_count    bigint NOT NULL DEFAULT 0 CHECK (same_count >= 0),
  linked_count  bigint NOT NULL DEFAULT 0 CHECK (linked_count >= 0),
  rejected_count bigint NOT NULL DEFAULT 0 CHECK (rejected_count >= 0),
  -- Users by the format of their password hash, and rejected records by reason.
  hash_formats  jsonb NOT NULL DEFAULT '{}' CHECK (octet_length(hash_formats::text) <= 4096),
  reject_reasons jsonb NOT NULL DEFAULT '{}' CHECK (octet_length(reject_reasons::text) <= 4096),
  -- SHA-256 over the digests of the users, in their order.
  users_sha256  text CHECK (users_sha256 ~ '^[0-9a-f]{64}$'),
  actor_kind    text NOT NULL,
  actor_id      text,
  reason        text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  failure       text CHECK (length(failure) <= 128),
  -- The event of the end in the sealed log.
  event_id      uuid,
  created_at    timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  touched_at    timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  finished_at   timestamptz(3),
  CHECK ((finished_at IS NULL) = (state IN ('waiting', 'running')))
);
CREATE INDEX imports_touched_at ON imports (touched_at);
CREATE INDEX imports_created_at ON imports (created_at, id);
-- One open run of a file with a mapping.
CREATE UNIQUE INDEX imports_open ON imports (kind, source_sha256, map_sha256) WHERE (finished_at IS NULL);

-- Uploaded bytes of a run, encrypted; deleted when it ends.
CREATE TABLE import_chunks (
  import_id uuid NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
  chunk     integer NOT NULL CHECK (chunk >= 0),
  sealed    text NOT NULL,
  PRIMARY KEY (import_id, chunk)
);

-- What was not imported: the line, a stable reason, and the address or id that shows which record it was.
CREATE TABLE import_rejects (
  import_id uuid NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
  line      bigint NOT NULL CHECK (line >= 0),
  reason    text NOT NULL CHECK (reason ~ '^[a-z][a-z0-9_]{0,63}$'),
  value     text NOT NULL DEFAULT '' CHECK (length(value) <= 256),
  PRIMARY KEY (import_id, line)
);

-- Which user here a user of the other system is.
CREATE TABLE legacy_users (
  id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  provider        text NOT NULL CHECK (provider ~ '^[a-z][a-z0-9-]{0,31}$'),
  legacy_id       text NOT NULL CHECK (length(legacy_id) BETWEEN 1 AND 255),
  -- Null: deleted here; a later import does not create the user again.
  user_id         text REFERENCES users (id) ON DELETE SET NULL,
  -- SHA-256 of what was imported, hex: the same again changes nothing.
  content_sha256  text CHECK (content_sha256 ~ '^[0-9a-f]{64}$'),
  -- SHA-256 of the imported password hash, hex, and when it was stored. A password that the user changed here is newer.
  password_sha256 text CHECK (password_sha256 ~ '^[0-9a-f]{64}$'),
  password_set_at timestamptz(3),
  -- Has no password here yet: the other system checks it at the first sign-in.
  lazy            boolean NOT NULL DEFAULT false,
  imported_at     timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  ended_at        timestamptz(3)
);
CREATE UNIQUE INDEX legacy_users_legacy_id ON legacy_users (provider, legacy_id);
CREATE UNIQUE INDEX legacy_users_user_id ON legacy_users (user_id, provider);
CREATE INDEX legacy_users_ended_at ON legacy_users (ended_at) WHERE (ended_at IS NOT NULL);

-- A deleted user leaves only the id that must not come back.
CREATE FUNCTION legacy_user_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.content_sha256 := NULL;
  NEW.password_sha256 := NULL;
  NEW.password_set_at := NULL;
  NEW.lazy := false;
  NEW.ended_at := clock_timestamp();
  RETURN NEW;
END $$;
CREATE TRIGGER legacy_users_ended BEFORE UPDATE ON legacy_users FOR EACH ROW
  WHEN (OLD.user_id IS NOT NULL AND NEW.user_id IS NULL) EXECUTE FUNCTION legacy_user_ended();

-- What the other system knew of a user and no column here holds.
CREATE TABLE user_metadata (
  user_id  text PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  metadata jsonb NOT NULL CHECK (jsonb_typeof(metadata) = 'object' AND octet_length(metadata::text) <= 32768)
);

SELECT grant_roles();
