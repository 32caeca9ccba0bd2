import { expect, test } from 'vitest';
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
