-- Keys that encrypt health data. The encrypted values are stored by the caller, not here.

-- Key-encryption keys: each wraps data keys, and is itself sealed under the key-encryption key of the installation.
CREATE TABLE phi_keys (
  version      integer PRIMARY KEY CHECK (version > 0),
  sealed       text NOT NULL,                        -- '' once destroyed
  created_at   timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  destroyed_at timestamptz(3),
  CHECK ((sealed = '') = (destroyed_at IS NOT NULL))
);

-- One live data key for each subject and level. A shredded row stays as a tombstone, so that its version is not reused.
CREATE TABLE phi_data_keys (
  id          uuid PRIMARY KEY,
  subject_id  text NOT NULL,
  level       text NOT NULL CHECK (level IN ('standard', 'high')),
  version     integer NOT NULL CHECK (version > 0),
  kek_version integer REFERENCES phi_keys (version), -- null once shredded
  wrapped     text NOT NULL,                         -- '' once shredded
  created_at  timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  shredded_at timestamptz(3),
  CHECK ((wrapped = '') = (shredded_at IS NOT NULL)),
  CHECK ((kek_version IS NULL) = (shredded_at IS NOT NULL))
);
CREATE UNIQUE INDEX phi_data_keys_version ON phi_data_keys (subject_id, level, version);
CREATE UNIQUE INDEX phi_data_keys_live ON phi_data_keys (subject_id, level) WHERE (shredded_at IS NULL);
CREATE INDEX phi_data_keys_kek_version ON phi_data_keys (kek_version, id) WHERE (shredded_at IS NULL);
CREATE INDEX phi_data_keys_shredded_at ON phi_data_keys (shredded_at) WHERE (shredded_at IS NOT NULL);

-- Progress of a rotation: a row first, so that a job that was killed continues where it stopped.
CREATE TABLE phi_rotations (
  id             uuid PRIMARY KEY,
  target_version integer NOT NULL REFERENCES phi_keys (version),
  state          text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done')),
  data_keys      bigint,                             -- null until counted
  rewrapped      bigint NOT NULL DEFAULT 0,
  started_at     timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  finished_at    timestamptz(3),
  CHECK ((state = 'done') = (finished_at IS NOT NULL))
);
CREATE UNIQUE INDEX phi_rotations_one_running ON phi_rotations (state) WHERE (state = 'running');
CREATE INDEX phi_rotations_started_at ON phi_rotations (started_at);
CREATE INDEX phi_rotations_finished_at ON phi_rotations (finished_at) WHERE (state = 'done');

-- What an installation begins with is no change of it, and no event.
ALTER TABLE roles DISABLE TRIGGER USER;
ALTER TABLE role_permissions DISABLE TRIGGER USER;
INSERT INTO permissions (name, description) VALUES
  ('phi:read', 'Decrypt health data'),
  ('phi:write', 'Encrypt health data'),
  ('phi:manage', 'Rotate the keys of health data, and destroy those of a person');
INSERT INTO roles (name, description) VALUES
  ('clinician', 'Reads and writes health data'),
  ('privacy_officer', 'Manages the keys of health data, and reads none of it')
ON CONFLICT DO NOTHING;
INSERT INTO role_permissions (role, permission) VALUES
  ('admin', 'phi:read'), ('admin', 'phi:write'), ('admin', 'phi:manage'),
  ('clinician', 'phi:read'), ('clinician', 'phi:write'),
  ('privacy_officer', 'phi:manage')
ON CONFLICT DO NOTHING;
ALTER TABLE roles ENABLE TRIGGER USER;
ALTER TABLE role_permissions ENABLE TRIGGER USER;

SELECT grant_roles();
