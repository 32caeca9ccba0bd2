-- Codes of mails that a reader can type: the hash of the short code is sealed with what the code carries, and wrong
-- attempts are counted, so that it cannot be guessed.
ALTER TABLE one_time_codes ADD COLUMN typed_tries smallint NOT NULL DEFAULT 0;
