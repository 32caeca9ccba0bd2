import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

const userProfileRead = defineStatement('oauthUserProfileRead')`
  SELECT email, "emailVerified" IS NOT NULL AS is_email_verified, name, image,
    floor(extract(epoch FROM "updatedAt"))::int8 AS updated_at
  FROM users WHERE id = $1 AND "disabledAt" IS NULL`;

/** The user data that OpenID Connect claims can contain. */
export type UserProfile = {
  readonly email: string;
  readonly is_email_verified: boolean;
  readonly name: string | null;
  readonly image: string | null;
  /** Unix seconds. */
  readonly updated_at: number;
};

export async function readUserProfile(sql: Sql, userId: string): Promise<UserProfile | undefined> {
  return (await sql.query<UserProfile>(userProfileRead, [userId]))[0];
}
