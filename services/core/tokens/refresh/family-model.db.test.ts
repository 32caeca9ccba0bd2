import { randomBytes, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { createSql } from '#services/platform/postgres/pool.ts';
import { createFamilyCopy, insertUser, refreshSecrets } from '#tools/testing/fixtures/families.ts';
import { rowsOf } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import {
  batchRank,
  type ModelFamily,
  type ModelPolicy,
  type ModelRequest,
  presentToModel,
} from './family-model-harness.ts';
import { type PresentedToken, rotateBatch } from './refresh-families.store.ts';
import { nonceHashOf, uuidToBytes } from './refresh-token-format.ts';

/**
 * For any sequence of batches, ends, key changes and elapsed time, the statement gives the same outcomes, rows and audit
 * rows as a model that processes one request at a time. The test simulates elapsed time by moving the times in the rows
 * by more than an hour and never close to a limit, so that its own duration does not matter.
 */

/** `refresh_copies` of clients, in seconds; no multiple of the step, and marks of the last are further apart than a step. */
const COPIES = [0, 26_000, 86_400] as const;

const database = opened(createTestDatabase);
const copy = opened(() =>
  createFamilyCopy({
    url: database.url,
    secrets: refreshSecrets(new Map([[1, randomBytes(32)]]), () => 1),
    incarnation: randomUUID(),
  }),
);
beforeAll(async () => {
  await rowsOf(copy.pool)`INSERT INTO oauth_clients (id, "clientId", refresh_copies)
    SELECT 'copies ' || n, 'copies ' || n, n FROM unnest(${COPIES}::int[]) AS n`;
});

const STEP_MS = 4_000_000;
const FAMILIES = 3;

type Step =
  | { readonly kind: 'batch'; readonly requests: readonly Presentation[] }
  | { readonly kind: 'pass'; readonly steps: number }
  | { readonly kind: 'end'; readonly family: number }
  | { readonly kind: 'key' };
type Presentation = {
  readonly family: number;
  /** Generations behind the current one at the begin of the batch. */
  readonly behind: number;
  readonly staleKv: boolean;
  readonly fits: boolean;
  readonly context: number | null;
};

const presentation: fc.Arbitrary<Presentation> = fc.record({
  family: fc.nat(FAMILIES - 1),
  behind: fc.oneof(
    { weight: 6, arbitrary: fc.constant(0) },
    { weight: 6, arbitrary: fc.constant(1) },
    { weight: 3, arbitrary: fc.constantFrom(-1, 2, 2, 3, 4, 7) },
  ),
  staleKv: fc.oneof({ weight: 15, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  fits: fc.oneof({ weight: 15, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  context: fc.constantFrom(0, 0, 0, 1, 2, null),
});
/** A rotation, and its repetition from another context. */
const contest = (family: number): Step => ({
  kind: 'batch',
  requests: [0, 1].map((context) => ({ family, behind: 0, staleKv: false, fits: true, context })),
});
/** A rotation, and its repetition past the shorter grace window. */
const repeatLate = (family: number, context: number): Step[] => [
  { kind: 'batch', requests: [{ family, behind: 0, staleKv: false, fits: true, context: 0 }] },
  { kind: 'pass', steps: 3 },
  { kind: 'batch', requests: [{ family, behind: 1, staleKv: false, fits: true, context }] },
];
/** Rotations with time between them, and then a copy of any of their tokens. */
const copyOf = (family: number, behind: number, context: number | null, rotations: number, pass: number): Step[] => [
  ...Array.from({ length: rotations }).flatMap((): Step[] => [
    { kind: 'batch', requests: [{ family, behind: 0, staleKv: false, fits: true, context: 0 }] },
    { kind: 'pass', steps: pass },
  ]),
  { kind: 'batch', requests: [0, 1].map(() => ({ family, behind, staleKv: false, fits: true, context })) },
];
const anyFamily = fc.nat(FAMILIES - 1);
const one = (arbitrary: fc.Arbitrary<Step>): fc.Arbitrary<Step[]> => arbitrary.map((step) => [step]);
const steps: fc.Arbitrary<Step[]> = fc.oneof(
  { weight: 2, arbitrary: anyFamily.map((family) => Array<Step>(3).fill(contest(family))) },
  { weight: 2, arbitrary: fc.tuple(anyFamily, fc.constantFrom(0, 0, 1)).map((chosen) => repeatLate(...chosen)) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(anyFamily, fc.integer({ min: 1, max: 9 }), fc.constantFrom(0, 0, 1, 2, null), fc.nat(9), fc.nat(3))
      .map((chosen) => copyOf(...chosen)),
  },
  {
    weight: 12,
    arbitrary: one(
      fc.record({
        kind: fc.constant('batch' as const),
        requests: fc.array(presentation, { minLength: 1, maxLength: 8 }),
      }),
    ),
  },
  { weight: 3, arbitrary: one(fc.record({ kind: fc.constant('pass' as const), steps: fc.constantFrom(1, 2, 3, 14) })) },
  { weight: 1, arbitrary: one(fc.record({ kind: fc.constant('end' as const), family: anyFamily })) },
  { weight: 1, arbitrary: one(fc.record({ kind: fc.constant('key' as const) })) },
);
const sequences = fc.array(steps, { minLength: 4, maxLength: 14 });
const policies: fc.Arbitrary<ModelPolicy> = fc.record({
  // Not a multiple of the step.
  graceMs: fc.constantFrom(10_000_000, 10_000_000, 30_000_000),
  graceUses: fc.constantFrom(0, 1, 3, 100),
  lostAnswerMs: fc.constantFrom(0, 22_000_000, 54_000_000),
  endsOnReplay: fc.constantFrom(true, true, true, false),
  idleMs: fc.constantFrom(50_000_000, 600_000_000),
});

type Kind = { readonly copies: (typeof COPIES)[number]; readonly jkt: 'key' | null };
const kinds: fc.Arbitrary<Kind> = fc.record({
  copies: fc.constantFrom(...COPIES),
  jkt: fc.constantFrom('key', null, null),
});
const kindsOfAll = fc.array(kinds, { minLength: FAMILIES, maxLength: FAMILIES });
type Held = Pick<Kind, 'jkt'> & {
  readonly id: string;
  readonly nonce: Buffer;
  readonly userId: string;
  readonly model: ModelFamily;
};

async function insertFamily(policy: ModelPolicy, { copies, jkt }: Kind, now: number): Promise<Held> {
  const [id, nonce, userId] = [randomUUID(), randomBytes(32), await insertUser(copy.pool)];
  const lifeMs = 2 * policy.idleMs;
  await rowsOf(copy.pool)`
    INSERT INTO refresh_families (id, idle_expires_at, expires_at, nonce_hash, kv, prev_kv, client_id, client_bound,
      user_id,
      user_epoch, client_epoch, scope, audience, auth_time, jkt)
    VALUES (${id}, now() + make_interval(secs => ${policy.idleMs / 1_000}),
      now() + make_interval(secs => ${lifeMs / 1_000}), ${nonceHashOf(nonce)}, 1, 1, ${`copies ${copies}`}, false,
      ${userId}, 0, 0,
      'openid', 'a', now(), ${jkt})`;
  const model: ModelFamily = {
    copiesMs: copies * 1_000,
    hasKey: jkt !== null,
    network: null,
    marks: [],
    copyUses: 0,
    generation: 0,
    rotatedAt: now,
    graceUses: 0,
    graceStreak: 0,
    isContested: false,
    context: null,
    kv: 1,
    prevKv: 1,
    revokeReason: null,
    idleExpiresAt: now + policy.idleMs,
    expiresAt: now + lifeMs,
  };
  return { id, nonce, userId, jkt, model };
}

async function passTime(families: readonly Held[], milliseconds: number): Promise<void> {
  await rowsOf(copy.pool)`
    UPDATE refresh_families
      SET rotated_at = rotated_at - d, idle_expires_at = idle_expires_at - d, expires_at = expires_at - d,
      rotation_marks = ARRAY(SELECT mark - extract(epoch FROM d)::int8 FROM unnest(rotation_marks) AS mark)
    FROM (SELECT make_interval(secs => ${milliseconds / 1_000}) AS d) AS moved
      WHERE id = ANY (${families.map((family) => family.id)})`;
}

/** An even number is one network, an odd one another; what is left is the program. */
const networkOf = (context: number | null): string | null => (context === null ? null : `${context % 2}.`);
const agentOf = (context: number | null): string => `agent ${(context ?? 0) >> 1}`;
const contextOf = ({ context }: { readonly context: number | null }): string | null =>
  context === null ? null : `${networkOf(context)}${agentOf(context)}`;

const presented = (family: Held, request: ModelRequest & { readonly contextIndex: number | null }): PresentedToken => ({
  familyBytes: uuidToBytes(family.id),
  generation: request.generation,
  kv: request.kv,
  nonceHash: nonceHashOf(request.fits ? family.nonce : randomBytes(32)),
  isClientBound: false,
  clientId: null,
  isClientAuthenticated: false,
  jkt: family.jkt ?? undefined,
  ipHash: request.network,
  agentHash: agentOf(request.contextIndex),
  traceparent: null,
  notAfterMs: Date.now() + 60_000,
});

/** Verdicts and keys of the successors in the order of the requests, and the order in which the model processed them. */
function runModel(
  families: readonly Held[],
  requests: readonly { readonly held: Held; readonly request: ModelRequest }[],
  now: number,
  policy: ModelPolicy,
  newestKv: number,
): { readonly outcomes: string[]; readonly kvs: (number | null)[]; readonly audit: string[] } {
  const outcomes: string[] = [];
  const kvs: (number | null)[] = [];
  const audit: string[] = [];
  for (const family of [...families].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const own = requests
      .map(({ held, request }, index) => ({ held, request, index }))
      .filter(({ held }) => held === family)
      .map((each) => ({ ...each, rank: batchRank(family.model, each.request, now, policy) }))
      .sort((a, b) => a.rank - b.rank || a.index - b.index);
    for (const { request, index } of own) {
      const outcome = presentToModel(family.model, request, now, policy, newestKv);
      outcomes[index] = outcome;
      kvs[index] = ['rotated', 'grace', 'lost_answer', 'stale_copy'].includes(outcome) ? family.model.kv : null;
      audit.push(`${family.id} ${request.generation} ${outcome}`);
    }
  }
  return { outcomes, kvs, audit };
}

async function assertRows(families: readonly Held[]): Promise<void> {
  const rows = await rowsOf(copy.pool)`
    SELECT id, generation, copy_uses, ARRAY(SELECT (mark >> 32)::int4 FROM unnest(rotation_marks) AS mark) AS marked,
      grace_uses, grace_streak, grace_contested, context_hash, kv, prev_kv, revoke_reason,
      revoked_at IS NOT NULL AS is_revoked, extract(epoch FROM now() - rotated_at)::float8 AS rotated,
      extract(epoch FROM idle_expires_at - now())::float8 AS idle
    FROM refresh_families WHERE id = ANY (${families.map((family) => family.id)})`;
  for (const { id, model } of families) {
    const row = rows.find((each) => each.id === id);
    expect(row).toMatchObject({
      generation: model.generation,
      copy_uses: model.copyUses,
      marked: model.marks.map(({ generation }) => generation),
      grace_uses: model.graceUses,
      grace_streak: model.graceStreak,
      grace_contested: model.isContested,
      context_hash: model.context,
      kv: model.kv,
      prev_kv: model.prevKv,
      revoke_reason: model.revokeReason,
      is_revoked: model.revokeReason !== null,
    });
  }
}

test('any interleaving of rotation, retry, replay, end and expiry gives the same results as one request at a time', async () => {
  const hot = createSql(copy.hotPool);
  const seen = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(policies, kindsOfAll, sequences, async (policy, of, sequence) => {
      let now = 0;
      let newestKv = 1;
      const families = await Promise.all(of.map((kind) => insertFamily(policy, kind, now)));
      const { rows: start } = await copy.pool.query('SELECT coalesce(max(id), 0)::text AS id FROM audit_outbox');
      const expected: string[] = [];
      for (const each of sequence.flat()) {
        if (each.kind === 'pass') {
          now += each.steps * STEP_MS;
          await passTime(families, each.steps * STEP_MS);
        } else if (each.kind === 'key') newestKv += 1;
        else if (each.kind === 'end') {
          const { id, model } = families[each.family] as Held;
          if (model.revokeReason === null) model.revokeReason = 'sign_out';
          await rowsOf(copy.pool)`UPDATE refresh_families SET revoked_at = now(), revoke_reason = 'sign_out'
            WHERE id = ${id} AND revoked_at IS NULL`;
        } else {
          const requests = each.requests.map((request) => {
            const held = families[request.family] as Held;
            const { generation, kv, prevKv } = held.model;
            const fitting = request.behind <= 0 ? kv : prevKv;
            return {
              held,
              request: {
                generation: Math.max(0, generation - request.behind),
                kv: request.staleKv ? fitting + 100 : generation - request.behind < 0 ? kv : fitting,
                fits: request.fits,
                context: contextOf(request),
                network: networkOf(request.context),
                contextIndex: request.context,
              },
            };
          });
          const generations = new Map(families.map(({ id, model }) => [id, model.generation]));
          const answers = await rotateBatch(
            hot,
            requests.map(({ held, request }) => presented(held, request)),
            {
              graceSeconds: policy.graceUses === 0 ? 0 : policy.graceMs / 1_000,
              graceUses: policy.graceUses,
              lostAnswerSeconds: policy.lostAnswerMs / 1_000,
              endsOnReplay: policy.endsOnReplay,
              idleSeconds: policy.idleMs / 1_000,
              twoFactorIdleSeconds: policy.idleMs / 1_000,
              newestKv,
            },
            null,
          );
          const { outcomes, kvs, audit } = runModel(families, requests, now, policy, newestKv);
          expect(answers.map((answer) => answer.outcome)).toEqual(outcomes);
          expect(answers.map((answer) => answer.kv)).toEqual(kvs);
          for (const [at, { outcome, held_generation: held }] of answers.entries())
            if (outcome === 'stale_copy') expect(held).toBe(generations.get(requests[at]!.held.id));
          for (const outcome of outcomes) seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
          for (const { model } of families) if (model.graceStreak === 3) seen.set('contested', 1);
          expected.push(...audit);
          await assertRows(families);
        }
      }
      const ids = families.map((family) => family.id);
      const rows = await rowsOf(copy.pool)`
        SELECT target_id, detail->>'generation' AS generation, outcome FROM audit_outbox
        WHERE target_id = ANY (${ids}) AND id > ${start[0].id}::bigint ORDER BY id`;
      expect(rows.map((row) => `${row.target_id} ${row.generation} ${row.outcome}`)).toEqual(expected);
      const revoked = await rowsOf(copy.pool)`SELECT value FROM revocations
        WHERE kind = 'family' AND value = ANY (${ids}) ORDER BY value`;
      const reused = families.filter((family) => family.model.revokeReason === 'refresh_token_reused');
      expect(revoked.map((row) => row.value)).toEqual(reused.map((family) => family.id).sort());
    }),
    { numRuns: Number(process.env.FAMILY_MODEL_RUNS ?? 100) },
  );
  // Every outcome must have occurred, or the test covers less than its title says.
  const outcomes = 'rotated grace lost_answer stale_copy grace_spent replay revoked expired ahead mismatch contested';
  for (const outcome of outcomes.split(' ')) expect(seen.get(outcome) ?? 0, outcome).toBeGreaterThan(0);
});
