-- Looks at the rows from before the checks of the two migrations before it; writes go on meanwhile.
ALTER TABLE oauth_clients VALIDATE CONSTRAINT oauth_clients_refresh_copies;
ALTER TABLE oauth_clients VALIDATE CONSTRAINT oauth_clients_refresh_rotation;
ALTER TABLE oauth_clients VALIDATE CONSTRAINT oauth_clients_workload;
