// For tests only: a database whose keys and server secrets a test can create, age and count.

import { defineStatement } from '#services/platform/define/statement.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { type EnsureKeysSettings, ensureKeys } from './ensure-keys.ts';
import { createKeyRing, type KeyRing, type KeyRingSettings } from './key-ring.ts';
import { CLOCK_BOUND_SECONDS } from './key-timeline.ts';

export const KEY_AUDIENCE = 'https://api.example.test';
export const KEY_SECRET = 'a-secret-of-more-than-thirty-two-characters';
/** Allowed difference between the clocks of two copies. */
export const SKEW_MS = 2 * CLOCK_BOUND_SECONDS * 1_000;

/** A row of `jwks`; times in Unix milliseconds. */
export type KeyRow = {
  id: string;
  purpose: string;
  alg: string;
  privateKey: string;
  from: number;
  until: number | null;
  published: number;
  leaves: number | null;
  longest: number;
  compromised: boolean;
};

type KeyEvent = { target_id: string; actor_id: string; detail: Record<string, unknown> };

/** Key settings of a start: EdDSA and short times by default. */
export const keySettings = (
  keys: Partial<EnsureKeysSettings['keys']> = {},
  tokens: Partial<EnsureKeysSettings['tokens']> = {},
): EnsureKeysSettings => ({
  keys: {
    algorithm: 'EdDSA',
    additionalAlgorithms: [],
    jwtSecret: undefined,
    prepublishSeconds: 60,
    rotationDays: 30,
    ringBoundSeconds: 30,
    ...keys,
  },
  tokens: { accessTokenSeconds: 900, leewaySeconds: 5, refreshAbsoluteSeconds: 3_600, ...tokens },
  authSecret: KEY_SECRET,
  audience: KEY_AUDIENCE,
});

/** Settings of a copy's ring. */
export const ringSettings = (algorithm: KeyRingSettings['algorithm'] = 'EdDSA'): KeyRingSettings => ({
  algorithm,
  jwksMaxAgeSeconds: 300,
  ringBoundSeconds: 30,
});

const rowsRead = defineStatement('testKeys')`
  SELECT id, purpose, alg, "privateKey", (extract(epoch FROM lower(signs)) * 1000)::bigint AS "from",
    (extract(epoch FROM upper(signs)) * 1000)::bigint AS until, (extract(epoch FROM "createdAt") * 1000)::bigint AS published,
    (extract(epoch FROM "expiresAt") * 1000)::bigint AS leaves, longest_token_seconds AS longest,
    compromised_at IS NOT NULL AS compromised FROM jwks WHERE purpose <> 'audit-log' ORDER BY signs, id`;
const agedBy = (seconds: number) => {
  const by = `make_interval(secs => ${seconds})`;
  return {
    // The earliest key first: moving its successor before it would overlap the ranges for a moment.
    keys: `DO $$ DECLARE kid text; BEGIN
      FOR kid IN SELECT id FROM jwks ORDER BY lower(signs) LOOP
        UPDATE jwks SET signs = tstzrange(lower(signs) - ${by}, upper(signs) - ${by}), "createdAt" = "createdAt" - ${by},
          "expiresAt" = "expiresAt" - ${by}, compromised_at = compromised_at - ${by} WHERE id = kid;
      END LOOP; END $$`,
    secrets: `UPDATE server_secrets SET created_at = created_at - ${by}, activates_at = activates_at - ${by}`,
  };
};

/** Opens a database without keys: one per test file. */
export async function openKeyHarness() {
  const base = await openTestPorts();
  let changes = 0;
  const keysChanged = (): void => {
    changes += 1;
  };
  const ports = { ...base, keysChanged };
  return {
    databaseUrl: base.databaseUrl,
    ports,
    /** How often use-cases reported a key change since `empty`. */
    changes: () => changes,
    /** Simulates an API start with these settings. */
    start: (settings = keySettings()) => ensureKeys(ports, settings, testCaller),
    /** The loaded ring of a copy after a start with this algorithm. */
    async startRing(
      algorithm: KeyRingSettings['algorithm'] = 'EdDSA',
      clock = ports.clock,
      additionalAlgorithms: EnsureKeysSettings['keys']['additionalAlgorithms'] = [],
    ): Promise<KeyRing> {
      await ensureKeys(ports, keySettings({ algorithm, additionalAlgorithms }), testCaller);
      const ring = createKeyRing({ ...ports, clock }, ringSettings(algorithm));
      await ring.load();
      return ring;
    },
    /** Moves everything written so far into the past. */
    async age(seconds: number) {
      const aged = agedBy(seconds);
      await base.raw(aged.keys);
      await base.raw(aged.secrets);
    },
    /** Every key except the audit log's, which has separate tests; the first signer first. */
    keyRows: () => base.sql.query<KeyRow>(rowsRead),
    eventsOf: (type: string) =>
      base.raw<KeyEvent>`SELECT target_id, actor_id, detail FROM audit_outbox
        WHERE type = ${type} AND detail->>'purpose' IS DISTINCT FROM 'audit-log' ORDER BY id`,
    async keysVersion() {
      const [row] = await base.raw<{ v: number }>`SELECT keys_version AS v FROM feed_state`;
      return row?.v ?? -1;
    },
    /** Before each test: no keys, secrets, events or revocations. */
    async empty() {
      // Of few rows that is ten times faster than TRUNCATE.
      for (const table of ['jwks', 'server_secrets', 'key_policy', 'audit_outbox', 'revocations'])
        await base.raw(`DELETE FROM ${table}`);
      changes = 0;
    },
    close: () => base.end(),
  };
}
