ALTER TABLE login_challenges DROP COLUMN legacy_session;
DROP TRIGGER sessions_factors ON sessions;
DROP FUNCTION session_factors();
DROP FUNCTION user_needs_factor(text);
