-- Tokens that are refreshed afterwards carry no details.
ALTER TABLE refresh_families DROP COLUMN authorization_details;
ALTER TABLE oauth_consents DROP COLUMN authorization_details;
ALTER TABLE oauth_device_grants DROP COLUMN authorization_details;
ALTER TABLE oauth_codes DROP COLUMN authorization_details;
ALTER TABLE oauth_clients DROP COLUMN authorization_details_types;
DROP TABLE authorization_detail_types;
SELECT grant_roles();
