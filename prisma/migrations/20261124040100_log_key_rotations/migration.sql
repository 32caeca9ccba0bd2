-- A key of the audit log counts for a verifier that trusts the key before it only through a note that the key before it signed.

-- Signed when the key is made, while the private key before it exists; null for the first key, and for other purposes.
ALTER TABLE jwks ADD COLUMN rotation_note text CHECK (rotation_note IS NULL OR purpose = 'audit-log');
