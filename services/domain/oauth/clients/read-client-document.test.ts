import { expect, test, vi } from 'vitest';
import type { ClientSettings } from '#services/platform/config/clients.ts';
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

test('a document is asked for under the rules for strangers’ addresses, once however many want it', async () => {
  const asked: unknown[] = [];
  const documents = createClientDocuments(settings, async (rules, url) => {
    asked.push([rules, url]);
    return documentAt(url);
  });
  const read = await Promise.all([1, 1, 1].map((at) => documents.read(urlOf(at), 'user')));
  expect(read[0]).toMatchObject({ kind: 'client', lifeSeconds: 900, metadata: { scopes: ['openid'] } });
  expect(read.every((each) => each === read[0])).toBe(true);
  expect(asked).toEqual([[{ allowsPrivate: false, answerBytesMax: 5_120, deadlineMs: 3_000 }, urlOf(1)]]);
  // Nothing is kept here: the next asks again.
  await documents.read(urlOf(1), 'user');
  expect(asked).toHaveLength(2);
});

test.each([
  ['something else', { 'content-type': 'text/html' }],
  ['nothing', {}],
])('what its server calls %s is no document, whatever stands in it', async (_what, headers) => {
  const documents = createClientDocuments(settings, async (_rules, url) => {
    const bytes = new TextEncoder().encode(await documentAt(url).text());
    return new Response(bytes, { headers: { ...headers } });
  });
  expect(await documents.read(urlOf(1), 'user')).toEqual({ kind: 'refused', why: 'it is not served as JSON' });
});

test('slow addresses take thirty-two places and no more; what cannot be fetched is told without why', async () => {
  const held = Promise.withResolvers<Response>();
  const documents = createClientDocuments(settings, () => held.promise);
  const of = (at: number) => documents.read(`https://app-${at}.example/c`, `user-${at}`);
  const waiting = Array.from({ length: 32 }, (_, at) => of(at));
  expect(await of(99)).toEqual({ kind: 'busy' });
  held.reject(new Error('connect ECONNREFUSED 10.0.0.7:443'));
  for (const each of waiting) expect(await each).toEqual({ kind: 'refused', why: 'it cannot be fetched' });
  // The places are free again.
  expect((await of(99)).kind).toBe('refused');
});

test('two of these places are the most that one user has, and one host, whatever its port', async () => {
  const held = Promise.withResolvers<Response>();
  const documents = createClientDocuments(settings, () => held.promise);
  const begun = [
    documents.read('https://a.example/1', 'greedy'),
    documents.read('https://b.example/1', 'greedy'),
    documents.read('https://a.example:8443/2', 'other'),
  ];
  expect(await documents.read('https://c.example/1', 'greedy')).toEqual({ kind: 'busy' });
  expect(await documents.read('https://a.example:8444/3', 'third')).toEqual({ kind: 'busy' });
  // Who wants what is being read anyway takes no place.
  begun.push(documents.read('https://b.example/1', 'third'), documents.read('https://c.example/1', 'third'));
  held.reject(new Error('over'));
  expect((await Promise.all(begun)).map(({ kind }) => kind)).toEqual(Array(5).fill('refused'));
});

test('a fetch that never ends is given up, and its place is free again', async () => {
  vi.useFakeTimers();
  try {
    const documents = createClientDocuments(settings, () => new Promise<never>(() => {}));
    const first = [1, 2].map((at) => documents.read(urlOf(at), 'user'));
    expect(await documents.read(urlOf(3), 'user')).toEqual({ kind: 'busy' });
    vi.advanceTimersByTime(5_000);
    for (const each of first) expect(await each).toEqual({ kind: 'refused', why: 'it cannot be fetched' });
    const again = documents.read(urlOf(3), 'user');
    vi.advanceTimersByTime(5_000);
    expect((await again).kind).toBe('refused');
  } finally {
    vi.useRealTimers();
  }
});
