DROP INDEX IF EXISTS signoffs_started;
