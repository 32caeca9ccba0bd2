-- What each process may do on tables of migrations that were made beside process_roles.

COMMENT ON TABLE siem_targets IS 'api: SELECT, UPDATE; mcp: SELECT, UPDATE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE signal_transmitters IS 'api: SELECT, INSERT, DELETE; mcp: SELECT, INSERT, DELETE; worker: SELECT';
COMMENT ON TABLE signals_received IS 'api: SELECT, INSERT; mcp: SELECT; worker: SELECT, UPDATE, DELETE';

SELECT grant_roles();
