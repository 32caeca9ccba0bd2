import { expect, test } from 'vitest';
import type { ClientSettings } from '../../platform/config/clients.ts';
import { createClientDocuments } from './read-client-document.ts';

const settings: ClientSettings = {
  registration: 'off',
  readsDocuments: true,
  documentsPrivate: false,
  scopes: ['openid'],
  audiences: [],
};
const documentAt = (url: string) =>
  new Response(JSON.stringify({ client_id: url, redirect_uris: ['https://app.example/cb'] }), {
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'max-age=900' },
  });
const urlOf = (at: number): string => `https://app.example/${at}`;

test('A6 a document is asked for under the rules for strangers’ addresses, once however many want it', async () => {
  const asked: unknown[] = [];
  const documents = createClientDocuments(settings, async (rules, url) => {
    asked.push([rules, url]);
    return documentAt(url);
  });
  const read = await Promise.all([1, 1, 1].map((at) => documents.read(urlOf(at))));
  expect(read[0]).toMatchObject({ kind: 'client', lifeSeconds: 900, metadata: { scopes: ['openid'] } });
  expect(read.every((each) => each === read[0])).toBe(true);
  expect(asked).toEqual([[{ allowsPrivate: false, answerBytesMax: 5_120, deadlineMs: 3_000 }, urlOf(1)]]);
  // Nothing is kept here: the next asks again.
  await documents.read(urlOf(1));
  expect(asked).toHaveLength(2);
});

test('slow addresses take thirty-two places and no more; what cannot be fetched is told without why', async () => {
  const held = Promise.withResolvers<Response>();
  const documents = createClientDocuments(settings, () => held.promise);
  const waiting = Array.from({ length: 32 }, (_, at) => documents.read(urlOf(at)));
  expect(await documents.read(urlOf(99))).toEqual({
    kind: 'refused',
    why: 'too many are being read at this moment',
  });
  held.reject(new Error('connect ECONNREFUSED 10.0.0.7:443'));
  for (const each of waiting) expect(await each).toEqual({ kind: 'refused', why: 'it cannot be fetched' });
});
