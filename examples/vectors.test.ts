import { expect, test } from 'vitest';
import { file, verifierOf } from '#sdks/typescript/test/vector-verifier.ts';
import { createApp } from './tasks-fastify/app.ts';
import type { Verifier } from './tasks-fastify/sallyport.ts';
import type { TaskStore } from './tasks-fastify/tasks.store.ts';

/** RFC 6750 §2.1: anything else is no token. */
const B64TOKEN = /^[\w.~+/-]+=*$/;

/** Without a proof of possession, and without white space at an end, which is no part of a header. */
const vectors = file.vectors.filter(
  ({ token, options }) => !options.dpop && !options.certificate && token === token.trim(),
);

test('the tasks API answers the code of every conformance vector, and accepts no token but the active ones', async () => {
  let verifier: Verifier | undefined;
  const app = createApp({
    verifier: {
      verify: (...asked) => (verifier as Verifier).verify(...asked),
      get settings() {
        return (verifier as Verifier).settings;
      },
    } as Verifier,
    // An accepted token gets no further than the path of another user.
    tasks: {} as TaskStore,
  });
  const wrong: string[] = [];
  for (const vector of vectors) {
    verifier = await verifierOf(vector);
    const headers = { authorization: `Bearer ${vector.token}` };
    const { code } = (await app.inject({ url: '/api/other/tasks', headers })).json<{ code: string }>();
    const refusal = B64TOKEN.test(vector.token) ? vector.code : 'request_invalid';
    const expected = refusal === 'active' ? 'user_mismatch' : refusal;
    if (code !== expected) wrong.push(`${vector.name}: ${code}, not ${expected}`);
    verifier.close();
  }
  await app.close();
  expect(wrong).toEqual([]);
  expect(vectors.length).toBeGreaterThan(500);
});
