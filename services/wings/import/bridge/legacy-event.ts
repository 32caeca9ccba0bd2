import { externalId } from '#services/core/shared/external-id.ts';
import { PICTURE } from '../run/trim-user.ts';
import { legacySessionId } from './legacy-token.ts';

/** A webhook of the old provider: its own form, or that of Clerk. */
export type LegacyProviderWebhookEvent = {
  readonly id?: unknown;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** When it happened: RFC 3339, or Unix milliseconds or seconds. */
  readonly at?: unknown;
  /** The same at Clerk. */
  readonly timestamp?: unknown;
};

type ProfileChanges = { readonly name?: string | null; readonly image?: string | null };

/** What an event means here. */
export type LegacyMeaning =
  | { readonly kind: 'session_ended'; readonly session: Buffer }
  | {
      readonly kind: 'user_created' | 'user_updated' | 'user_deleted';
      readonly subject: string;
      readonly changes: ProfileChanges;
    };
export type LegacyEvent = LegacyMeaning & { readonly occurredAt: Date };

const KINDS = new Map<string, LegacyEvent['kind']>([
  ['user.created', 'user_created'],
  ['user.updated', 'user_updated'],
  ['user.deleted', 'user_deleted'],
  ['session.ended', 'session_ended'],
  ['session.removed', 'session_ended'],
  ['session.revoked', 'session_ended'],
]);

const LONGEST_NAME = 128;
/** A smaller number of milliseconds would be before 1973. */
const SECONDS_BELOW = 100_000_000_000;
/** PostgreSQL stores neither NUL nor halves of surrogate pairs. */
const PLAIN = /^[^\p{Cc}\p{Cs}]*$/u;

const plainText = (value: unknown, longest: number): string | null =>
  typeof value === 'string' && value !== '' && value.length <= longest && PLAIN.test(value) ? value : null;

/** The first of these members that the data has; undefined if it has none. */
const memberOf = (data: LegacyProviderWebhookEvent['data'], names: readonly string[]): unknown =>
  names.map((name) => data[name]).find((value) => value !== undefined);

function nameIn(data: LegacyProviderWebhookEvent['data']): string | null | undefined {
  const { first_name: first, last_name: last } = data;
  if (first === undefined && last === undefined) {
    const name = memberOf(data, ['name']);
    return name === undefined ? undefined : plainText(name, LONGEST_NAME);
  }
  const parts = [first, last].filter((part): part is string => typeof part === 'string' && part !== '');
  return plainText(parts.join(' '), LONGEST_NAME);
}

function changesIn(data: LegacyProviderWebhookEvent['data']): ProfileChanges {
  const name = nameIn(data);
  const image = memberOf(data, ['image', 'image_url', 'picture']);
  const isPicture = typeof image === 'string' && PICTURE.test(image);
  return {
    ...(name === undefined ? {} : { name }),
    ...(image === undefined ? {} : { image: isPicture ? image : null }),
  };
}

/** When an event happened, never later than now; now if it does not say. */
function timeOf({ at, timestamp, data }: LegacyProviderWebhookEvent, nowMs: number): Date {
  const given = at ?? timestamp ?? data.updated_at;
  const ms =
    typeof given === 'number'
      ? given < SECONDS_BELOW
        ? given * 1_000
        : given
      : typeof given === 'string'
        ? Date.parse(given)
        : Number.NaN;
  return new Date(ms >= 0 && ms < nowMs ? ms : nowMs);
}

/** Reads an event; `ignored` for a type that changes nothing here, null for one without the id that its type needs. */
export function readLegacyEvent(
  event: LegacyProviderWebhookEvent,
  { issuer, nowMs }: { readonly issuer: string; readonly nowMs: number },
): LegacyEvent | 'ignored' | null {
  const kind = KINDS.get(event.type);
  if (kind === undefined) return 'ignored';
  const { data } = event;
  const occurredAt = timeOf(event, nowMs);
  if (kind === 'session_ended') {
    const sid = externalId(data.session_id) ?? externalId(data.id);
    return sid === null ? null : { kind, occurredAt, session: legacySessionId(issuer, sid) };
  }
  const subject = externalId(data.user_id) ?? externalId(data.id);
  return subject === null
    ? null
    : { kind, occurredAt, subject, changes: kind === 'user_deleted' ? {} : changesIn(data) };
}
