-- The function stays; the migration is applied again with the next upgrade, and then gives every right.
SELECT grant_roles();
