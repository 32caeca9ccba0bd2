ALTER TABLE legacy_users DROP COLUMN joined, DROP COLUMN email_verified;
