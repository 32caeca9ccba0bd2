import { shownSecret } from '#services/core/identity/factors/totp.ts';
import { createFactorSeal } from '#services/core/identity/sessions/factor-seal.ts';
import { parseExactJson } from '#services/core/shared/exact-json.ts';
import { externalId } from '#services/core/shared/external-id.ts';
import { readNdjson } from '../reading/read-ndjson.ts';
import { recordOf, type SourceRecord } from '../reading/record.ts';
import { sniff } from '../reading/sniff.ts';
import type { LegacyPasskey, LegacyRecord, LegacySystemAdapter, LegacyUser } from './adapter.ts';
import {
  accountOf,
  dateOf,
  formatOf,
  idOf,
  isMembers,
  isTrue,
  legacyUser,
  listOf,
  type Members,
  orRefused,
  present,
  type Refused,
  textOf,
} from './members.ts';

/**
 * Better Auth: its tables as one JSON object, `{"user": [ … ], "account": [ … ], "twoFactor": [ … ], "passkey": [ … ]}`, or
 * for many users one line for each: `{"user": { … }, "account": [ … ], "twoFactor": [ … ], "passkey": [ … ]}`. The
 * parameter `secret` (BETTER_AUTH_SECRET there) opens second factors; without it they are left out. `rp_id` is the RP ID
 * of the passkeys.
 */

const TABLES_BYTES_MAX = 67_108_864;

/** What a column of ours, or a member of its own, holds; the rest is metadata. */
const KNOWN: ReadonlySet<string> = new Set(
  'id email emailVerified name image createdAt updatedAt role banned twoFactorEnabled'.split(' '),
);

const rows = (value: unknown): readonly Members[] => listOf(value).filter(isMembers);

/** The tables as one record for each user, all on the line of the object. */
async function* splitTables(stream: AsyncIterable<Uint8Array>): AsyncGenerator<SourceRecord> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > TABLES_BYTES_MAX) {
      yield { line: 1, reason: 'record_too_large', value: 'write one line for each user' };
      return;
    }
    chunks.push(chunk);
  }
  const read = recordOf(1, Buffer.concat(chunks));
  if ('reason' in read) {
    yield read;
    return;
  }
  const of = (table: string): Map<string, Members[]> => {
    const byUser = new Map<string, Members[]>();
    for (const row of rows(read.value[table])) {
      const id = externalId(row.userId);
      if (id !== null) byUser.set(id, [...(byUser.get(id) ?? []), row]);
    }
    return byUser;
  };
  const [accounts, factors, passkeys] = [of('account'), of('twoFactor'), of('passkey')];
  for (const [at, user] of rows(read.value.user).entries()) {
    const id = externalId(user.id) ?? '';
    yield {
      line: at + 1,
      value: { user, account: accounts.get(id), twoFactor: factors.get(id), passkey: passkeys.get(id) },
    };
  }
}

type Opener = { open(sealed: string): Promise<string> } | null;

type Factor = Pick<LegacyUser, 'totp_secret' | 'recovery_codes' | 'factors_lost'>;

/** The second factor; lost is one that the parameter `secret` does not open. */
async function factorOf(user: Members, value: unknown, opener: Opener): Promise<Factor> {
  const factor = rows(value).find(({ verified }) => verified === undefined || isTrue(verified));
  const isOn = factor !== undefined || isTrue(user.twoFactorEnabled);
  const none = { totp_secret: null, recovery_codes: [], factors_lost: isOn ? ['totp' as const] : [] };
  const [secret, codes] = [textOf(factor?.secret), textOf(factor?.backupCodes)];
  if (opener === null || secret === null) return none;
  try {
    const opened: unknown = codes === null ? [] : parseExactJson(await opener.open(codes).catch(() => codes));
    return {
      totp_secret: shownSecret(await opener.open(secret)),
      recovery_codes: listOf(opened).filter((code) => typeof code === 'string'),
      factors_lost: [],
    };
  } catch {
    return none;
  }
}

const passkeysOf = (value: unknown, rpId: string): LegacyPasskey[] =>
  rows(value).flatMap((row): LegacyPasskey[] => {
    const [id, key] = [textOf(row.credentialID), textOf(row.publicKey)];
    if (id === null || key === null) return [];
    return [
      {
        rp_id: rpId,
        credential_id: id,
        public_key: key,
        counter: Number(row.counter ?? 0),
        transports: textOf(row.transports)?.split(',') ?? [],
        device_type: row.deviceType === 'multiDevice' ? 'multiDevice' : 'singleDevice',
        backed_up: isTrue(row.backedUp),
        aaguid: textOf(row.aaguid),
        name: textOf(row.name),
      },
    ];
  });

async function userOf(record: Members, opener: Opener, rpId: string): Promise<LegacyUser | Refused> {
  const user = isMembers(record.user) ? record.user : {};
  const email = textOf(user.email);
  const id = idOf(user.id, email);
  if (email === null) return { reason: 'email_missing', value: id };
  const accounts = rows(record.account);
  const hash = textOf(accounts.find(({ providerId }) => providerId === 'credential')?.password);
  return legacyUser({
    legacy_id: id,
    email,
    email_verified: isTrue(user.emailVerified),
    name: textOf(user.name),
    image: textOf(user.image),
    created_at: dateOf(user.createdAt),
    disabled: isTrue(user.banned),
    password_hash: hash,
    password_format: formatOf(hash),
    roles: textOf(user.role)?.split(/\s*,\s*/) ?? [],
    metadata: present(Object.fromEntries(Object.entries(user).filter(([name]) => !KNOWN.has(name)))),
    accounts: accounts.flatMap((row) => {
      const provider = textOf(row.providerId);
      return provider === 'credential' ? [] : accountOf(provider, row.accountId, email);
    }),
    ...(await factorOf(user, record.twoFactor, opener)),
    passkeys: passkeysOf(record.passkey, rpId),
  });
}

const TABLES = /^\{\s*"\w+"\s*:\s*\[/;

async function* read(
  stream: AsyncIterable<Uint8Array>,
  parameters: Readonly<Record<string, string>>,
): AsyncGenerator<LegacyRecord> {
  const { head, stream: whole } = await sniff(stream);
  const { secret, rp_id: rpId = '' } = parameters;
  const opener = secret === undefined ? null : createFactorSeal(secret);
  for await (const found of TABLES.test(head) ? splitTables(whole) : readNdjson(whole)) {
    const { line } = found;
    if ('reason' in found) yield found;
    else {
      const user = await orRefused(() => userOf(found.value, opener, rpId));
      yield 'reason' in user ? { line, ...user } : { line, user };
    }
  }
}

export const betterAuthAdapter: LegacySystemAdapter = {
  kind: 'better-auth',
  forms: ['json'],
  read: (stream, { parameters }) => read(stream, parameters),
};
