-- Consents, their withdrawal and the question whether a use is allowed need `phi:write`, which decrypts nothing.
UPDATE permissions SET description = 'Encrypt health data, record consents, and ask which uses are allowed' WHERE name = 'phi:write';
UPDATE roles SET description = 'Manages the keys of health data and the consents to its use, and reads none of it'
WHERE name = 'privacy_officer';
INSERT INTO role_permissions (role, permission) VALUES ('privacy_officer', 'phi:write') ON CONFLICT DO NOTHING;
