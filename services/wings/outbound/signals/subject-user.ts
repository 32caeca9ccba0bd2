import type { Sql } from '#services/core/ports.ts';
import { normaliseEmail } from '#services/platform/define/email.ts';
import { findUserOfAccount, findUserOfEmail, findUserOfId, type TransmitterRow } from './signals.store.ts';

/** Alternatives that are tried, and how deep subjects may be nested. */
const ALTERNATIVES_MAX = 10;
const DEPTH_MAX = 3;
const ID_CHARACTERS_MAX = 255;

type Subject = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Subject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const idOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= ID_CHARACTERS_MAX && !value.includes('\0')
    ? value
    : undefined;

type Finder = (subject: Subject, depth: number) => Promise<string | undefined>;

/**
 * The user here that a Subject Identifier (RFC 9493, SSF 1.0 §3) of a transmitter means, by the account that the user has
 * linked with the transmitter's provider, and where the transmitter may name them, by a verified address or by our own id.
 * Undefined if there is none, or if its format can name none.
 */
export function createSubjectFinder(
  sql: Sql,
  { issuer, provider, match_email: matchEmail, own_ids: ownIds }: TransmitterRow,
  ownIssuer: string,
): (subject: unknown) => Promise<string | undefined> {
  const ofAccount = async (given: unknown): Promise<string | undefined> => {
    const id = idOf(given);
    return provider === null || id === undefined ? undefined : findUserOfAccount(sql, provider, id);
  };
  const formats: Readonly<Record<string, Finder>> = {
    iss_sub: async ({ iss, sub }) => {
      const id = idOf(sub);
      if (iss === ownIssuer) return ownIds && id !== undefined ? findUserOfId(sql, id) : undefined;
      return iss === issuer ? ofAccount(id) : undefined;
    },
    opaque: ({ id }) => ofAccount(id),
    email: async ({ email }) => {
      const address = idOf(email);
      return matchEmail && address !== undefined ? findUserOfEmail(sql, normaliseEmail(address)) : undefined;
    },
    // The session of another system is none of ours: its user loses all of them.
    complex: ({ user }, depth) => find(user, depth + 1),
    aliases: async ({ identifiers }, depth) => {
      const given: readonly unknown[] = Array.isArray(identifiers) ? identifiers.slice(0, ALTERNATIVES_MAX) : [];
      for (const one of given) {
        const id = await find(one, depth + 1);
        if (id !== undefined) return id;
      }
      return undefined;
    },
  };
  const find = async (subject: unknown, depth: number): Promise<string | undefined> => {
    if (!isObject(subject) || depth > DEPTH_MAX) return undefined;
    const { format } = subject;
    const finder = typeof format === 'string' && Object.hasOwn(formats, format) ? formats[format] : undefined;
    return finder?.(subject, depth);
  };
  return (subject) => find(subject, 0);
}
