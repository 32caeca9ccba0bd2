import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { Sequence, Vector } from '../../../conformance/cases/world.ts';
import { createVerifier, type Verifier, type VerifierOptions } from '../src/index.ts';

type Step = { readonly at: number; readonly jws: string; readonly accepted: boolean };
/** `conformance/vectors.json`. */
export const file = JSON.parse(readFileSync(new URL('../../../conformance/vectors.json', import.meta.url), 'utf8')) as {
  readonly issuer: string;
  readonly audience: string;
  readonly keySets: Readonly<Record<string, unknown>>;
  readonly feeds: Readonly<Record<string, readonly Step[]>>;
  readonly vectors: readonly Vector[];
  readonly sequences: readonly Sequence[];
};

/** No header of a token may lead a verifier elsewhere (`jku`, `x5u`). */
export const asked = new Set<string>();

/** A verifier that has read the feed of the vector, and whose clock then shows its time. */
export async function verifierOf({ options, now }: Vector): Promise<Verifier> {
  const { keys = 'stable', feed, dpop: _dpop, certificate: _certificate, ...rest } = options;
  const steps = feed === undefined ? [] : (file.feeds[feed] as readonly Step[]);
  let nowSeconds = now;
  let served: string | undefined;
  const answer = (body: string | undefined): Response =>
    body === undefined ? new Response(null, { status: 503 }) : new Response(body);
  const verifier = createVerifier({
    issuer: file.issuer,
    audience: file.audience,
    maxStale: 0,
    ...(rest as Pick<VerifierOptions, 'algorithms'>),
    ...(feed === undefined ? { feed: 'off' } : { clientId: 'reader', clientSecret: 'x' }),
    now: () => nowSeconds * 1_000,
    fetch: async (input) => {
      asked.add(String(input).split('?', 1)[0] as string);
      if (String(input).endsWith('/.well-known/jwks.json')) return answer(JSON.stringify(file.keySets[keys]));
      const body = served;
      served = undefined;
      return answer(body);
    },
  });
  for (const step of steps) {
    nowSeconds = step.at;
    served = step.jws;
    const before = verifier.state();
    await verifier.refresh();
    const { epoch, incarnation, revocations } = verifier.state();
    if (!step.accepted)
      expect({ epoch, incarnation, revocations }).toEqual({
        epoch: before.epoch,
        incarnation: before.incarnation,
        revocations: before.revocations,
      });
  }
  nowSeconds = now;
  return verifier;
}
