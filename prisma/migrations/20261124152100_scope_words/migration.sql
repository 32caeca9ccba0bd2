-- What a permission of an application allows as a scope, in words for the users who are asked: {"en": …, "de": …}.
ALTER TABLE permissions ADD COLUMN scope_words jsonb;
CREATE CONSTRAINT TRIGGER permissions_words_version AFTER UPDATE OF scope_words ON permissions
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();
