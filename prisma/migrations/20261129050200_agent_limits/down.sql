DROP TRIGGER signoffs_started ON signoffs;
DROP FUNCTION signoff_started();
DROP FUNCTION agent_limit_refusal(signoffs, timestamptz);
DROP FUNCTION agent_limits_today(text, timestamptz);
DROP FUNCTION amount_in(text, text, text);
DROP FUNCTION agent_limit_covers(text, text);
DROP TABLE agent_limits;
