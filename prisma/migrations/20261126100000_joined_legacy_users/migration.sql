-- Several rows of one source may be one person, one for each way in: the first that was imported is the one that an export
-- names, and the others are joined to its user. Only rows whose address the source has verified are joined.

ALTER TABLE legacy_users
  ADD COLUMN joined boolean NOT NULL DEFAULT false,
  ADD COLUMN email_verified boolean NOT NULL DEFAULT false;
