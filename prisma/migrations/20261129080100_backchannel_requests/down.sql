DROP TRIGGER signoffs_ping ON signoffs;
DROP FUNCTION signoff_ping();
DROP TABLE backchannel_requests;
ALTER TABLE oauth_clients DROP COLUMN backchannel_client_notification_endpoint;
