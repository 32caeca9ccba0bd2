import { expect, test } from 'vitest';
import { newProofMaker } from '#tools/testing/fakes/dpop.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { NOW, tokenHarness } from '#tools/testing/harness/token.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf, outcomeOfCall } from '#tools/testing/outcome.ts';
import { CLIENT_AHEAD_SECONDS } from '../client-clock.ts';
import type { DpopProof } from './dpop-proof.ts';
import { consumeProof, verifyProof } from './use-dpop-proof.ts';

const ports = opened(openTestPorts);

const { tokenSettings } = tokenHarness().ports;
const use = (jkt: string, jti: string) => consumeProof({ hotSql: ports.sql, tokenSettings }, { jkt, jti } as DpopProof);

test('replay of a DPoP proof: of many concurrent uses one is accepted, and none afterwards', async () => {
  const outcomes = await Promise.all(Array.from({ length: 8 }, () => outcomeOf(use('key', 'proof'))));
  expect(outcomes.sort()).toEqual([...Array(7).fill('dpop_proof_invalid'), 'ok']);
  expect(await outcomeOf(use('key', 'proof'))).toBe('dpop_proof_invalid');
});

test('proofs with another jti or another key are different proofs', async () => {
  expect(await outcomeOf(use('one', 'id'))).toBe('ok');
  expect(await outcomeOf(use('one', 'id2'))).toBe('ok');
  expect(await outcomeOf(use('two', 'id'))).toBe('ok');
});

test('a used proof is remembered for longer than it could be accepted', async () => {
  await use('key', 'kept');
  const [row] = await ports.raw<{ seconds: number }>`SELECT min(extract(epoch FROM expires_at - now()))::int AS seconds
    FROM dpop_proofs`;
  expect(row!.seconds).toBeGreaterThan(60 + Math.max(CLIENT_AHEAD_SECONDS, tokenSettings.leewaySeconds));
});

test.each([
  ['the default leeway', 5, [0, 8, 10], [11, 60, 75]],
  ['a longer leeway', 30, [30], [31, 60]],
])(
  'a client whose clock is ahead is accepted up to 10 s or %s (FAPI 2.0 §5.3.2.1)',
  (_name, leewaySeconds, near, far) => {
    const { ports: checking } = tokenHarness({ leewaySeconds });
    const htu = 'https://api.test/oauth2/token';
    const ahead = (seconds: number) =>
      outcomeOfCall(() =>
        verifyProof(checking, {
          proof: newProofMaker('ES256', () => NOW + seconds).proof('POST', htu),
          htm: 'POST',
          htu,
        }),
      );
    expect(near.map(ahead)).toEqual(near.map(() => 'ok'));
    expect(far.map(ahead)).toEqual(far.map(() => 'dpop_proof_invalid'));
  },
);
