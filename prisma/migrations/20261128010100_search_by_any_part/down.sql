-- The extension stays: other programs may use it.
DROP INDEX IF EXISTS api_keys_find;
DROP INDEX IF EXISTS users_find;
