-- Finds the events about a subject of health data, whose id is a personal value. A hash index, because a target that the
-- sender of a refused request chose can be longer than an entry of a B-tree.
CREATE INDEX audit_personal_target ON audit_personal USING hash (value) WHERE field = 'target';
