import type { OAuth2Tokens } from '@better-auth/core/oauth2';
import { externalId } from '#services/core/shared/external-id.ts';
import { cutText } from '#services/platform/define/cut-text.ts';
import { isTrueClaim } from '#services/platform/define/true-claim.ts';
import { NO_CONTROLS } from '../contracts/sign-in-contract.ts';
import { socialSignInRefused } from '../contracts/social-errors.ts';

/** The user that the provider authenticated, and the provider's tokens. */
export type Profile = {
  readonly providerId: string;
  /** The provider's immutable id of the account. */
  readonly accountId: string;
  readonly email: string | null;
  readonly isEmailVerified: boolean;
  readonly name: string;
  readonly tokens: OAuth2Tokens;
};

/** The provider's answer before validation. */
export type GivenProfile = {
  readonly subject: unknown;
  readonly email: unknown;
  readonly emailVerified: unknown;
  readonly name: unknown;
  readonly tokens: { readonly [Key in keyof OAuth2Tokens]: unknown };
};

const EMAIL_CHARACTERS = 1_024;
const NAME_CHARACTERS = 128;
const TOKEN_CHARACTERS = 65_536;
const SCOPE_CHARACTERS = 2_048;

/** Text that fits a column; undefined for undefined and null. Throws `social_sign_in_refused` for anything else. */
function text(value: unknown, charactersMax = Number.POSITIVE_INFINITY): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || value.length > charactersMax || !NO_CONTROLS.test(value))
    throw socialSignInRefused();
  return value;
}

/** GitHub and others use numeric account ids. */
function accountIdOf(subject: unknown): string {
  const accountId = externalId(subject);
  if (accountId === null) throw socialSignInRefused();
  return accountId;
}

function instant(value: unknown): Date | undefined {
  if (value === undefined || value === null) return undefined;
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw socialSignInRefused();
  return value;
}

function scopesOf(value: unknown): string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw socialSignInRefused();
  return value.map((scope) => text(scope, SCOPE_CHARACTERS) ?? '');
}

const without = <T extends object>(members: T): { [Key in keyof T]: Exclude<T[Key], undefined> } =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never;

/** Validates a profile for storage. Throws `social_sign_in_refused` (400) if a member cannot be stored. */
export function profileOf(providerId: string, { subject, email, emailVerified, name, tokens }: GivenProfile): Profile {
  return {
    providerId,
    accountId: accountIdOf(subject),
    email: text(email, EMAIL_CHARACTERS) ?? null,
    isEmailVerified: isTrueClaim(emailVerified),
    name: cutText(text(name) ?? '', NAME_CHARACTERS),
    tokens: without({
      accessToken: text(tokens.accessToken, TOKEN_CHARACTERS),
      refreshToken: text(tokens.refreshToken, TOKEN_CHARACTERS),
      idToken: text(tokens.idToken, TOKEN_CHARACTERS),
      scopes: scopesOf(tokens.scopes),
      accessTokenExpiresAt: instant(tokens.accessTokenExpiresAt),
      refreshTokenExpiresAt: instant(tokens.refreshTokenExpiresAt),
    }),
  };
}
