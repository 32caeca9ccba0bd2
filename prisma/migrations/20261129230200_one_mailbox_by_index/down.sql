CREATE OR REPLACE FUNCTION users_of_one_mailbox(people text[]) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT people || ARRAY(
    SELECT other.id FROM users own
    CROSS JOIN LATERAL (SELECT substring(own.email FROM '^[^+@]+') AS name, substring(own.email FROM '@[^@]*$') AS place) box
    JOIN users other ON other.email COLLATE "C" = box.name || box.place
      -- The character after a plus is a comma.
      OR other.email COLLATE "C" >= box.name || '+' AND other.email COLLATE "C" < box.name || ','
        AND substring(other.email FROM '@[^@]*$') = box.place
    WHERE own.id = ANY (people))
$$;
