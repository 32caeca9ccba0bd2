-- Who may go past a used-up rate limit; each use of it is in the audit log.
INSERT INTO permissions (name, description) VALUES ('limits:bypass', 'Go past a used-up rate limit');
INSERT INTO role_permissions (role, permission) VALUES ('admin', 'limits:bypass');
