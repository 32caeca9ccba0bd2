import { expect, test } from 'vitest';
import { createVerifier } from '../src/index.ts';
import { asked, file, verifierOf } from './vector-verifier.ts';

test('answers the code of every conformance vector, at first and from its cache', async () => {
  const wrong: string[] = [];
  for (const vector of file.vectors) {
    const verifier = await verifierOf(vector);
    const { dpop, certificate } = vector.options;
    for (const use of ['first', 'second']) {
      const { code } = await verifier.verify(vector.token, { dpop, certificate });
      if (code !== vector.code) wrong.push(`${vector.name} (${use}): ${code}, not ${vector.code}`);
    }
    verifier.close();
  }
  expect(wrong).toEqual([]);
  expect([...asked].sort()).toEqual([`${file.issuer}/.well-known/jwks.json`, `${file.issuer}/v1/revocations`]);
  expect(file.vectors.length).toBeGreaterThan(250);
});

test('answers the code of each step of every sequence of the vectors', async () => {
  const wrong: string[] = [];
  for (const { name, steps } of file.sequences) {
    let step = steps[0] as (typeof steps)[number];
    const verifier = createVerifier({
      issuer: file.issuer,
      audience: file.audience,
      feed: 'off',
      now: () => step.at * 1_000,
      fetch: async () => new Response(JSON.stringify(file.keySets[step.keys])),
    });
    for (step of steps) {
      const { code } = await verifier.verify(step.token);
      if (code !== step.code) wrong.push(`${name}, at ${step.at}: ${code}, not ${step.code}`);
    }
    verifier.close();
  }
  expect(wrong).toEqual([]);
  expect(file.sequences.length).toBeGreaterThan(1);
});
