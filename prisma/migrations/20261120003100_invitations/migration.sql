-- Accounts that somebody made for others, until an address is proved. The roles take effect with the invitation alone:
-- whoever has the address later, and proves it by other means, gets none of them.
CREATE TABLE invitations (
  -- Of the mail that carries it; a later one takes the place of the one before.
  id         uuid PRIMARY KEY,
  user_id    text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  roles      text[] NOT NULL DEFAULT '{}',
  -- Null: the account has its password, and its roles, already.
  expires_at timestamptz
);
CREATE INDEX invitations_user_id ON invitations (user_id);
CREATE INDEX invitations_expires_at ON invitations (expires_at);
