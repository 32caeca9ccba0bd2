-- The release before works with a check whether or not it was validated.
SELECT 1;
