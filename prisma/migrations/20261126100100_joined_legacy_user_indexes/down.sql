CREATE UNIQUE INDEX legacy_users_user_id ON legacy_users (user_id, provider);
DROP INDEX legacy_users_first;
DROP INDEX legacy_users_of_user;
