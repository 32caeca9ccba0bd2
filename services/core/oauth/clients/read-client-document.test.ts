import { expect, onTestFinished, test, vi } from 'vitest';
import type { ClientSettings } from '#services/platform/config/clients.ts';
import { createClientDocuments } from './read-client-document.ts';

const settings: ClientSettings = {
  registration: 'off',
  readsDocuments: true,
  documentsPrivate: false,
  logoutPrivate: false,
  scopes: ['openid'],
  audiences: [],
};
const documentAt = (url: string) =>
  new Response(JSON.stringify({ client_id: url, redirect_uris: ['https://app.example/cb'] }), {
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'max-age=900' },
  });
const urlOf = (at: number): string => `https://app.example/${at}`;

test('concurrent requests for a document share one fetch, which allows no internal address and limits size and time', async () => {
  const asked: unknown[] = [];
  const documents = createClientDocuments(settings, async (rules, url) => {
    asked.push([rules, url]);
    return documentAt(url);
  });
  const read = await Promise.all([1, 1, 1].map((at) => documents.read(urlOf(at), 'user')));
  expect(read[0]).toMatchObject({ kind: 'client', lifeSeconds: 900, metadata: { scopes: ['openid'] } });
  expect(read.every((each) => each === read[0])).toBe(true);
  expect(asked).toEqual([[{ allowsPrivate: false, answerBytesMax: 5_120, deadlineMs: 3_000 }, urlOf(1)]]);
  // The result is not cached: the next request fetches again.
  await documents.read(urlOf(1), 'user');
  expect(asked).toHaveLength(2);
});

test.each([
  ['text/html', { 'content-type': 'text/html' }],
  ['no content type', {}],
])('a document served with %s is refused, even if its body is valid', async (_what, headers) => {
  const documents = createClientDocuments(settings, async (_rules, url) => {
    const bytes = new TextEncoder().encode(await documentAt(url).text());
    return new Response(bytes, { headers: { ...headers } });
  });
  expect(await documents.read(urlOf(1), 'user')).toEqual({ kind: 'refused', why: 'it is not served as JSON' });
});

test('at most 32 fetches run at once, and a failed fetch does not say why it failed', async () => {
  const held = Promise.withResolvers<Response>();
  const documents = createClientDocuments(settings, () => held.promise);
  const of = (at: number) => documents.read(`https://app-${at}.example/c`, `user-${at}`);
  const waiting = Array.from({ length: 32 }, (_, at) => of(at));
  expect(await of(99)).toEqual({ kind: 'busy' });
  held.reject(new Error('connect ECONNREFUSED 10.0.0.7:443'));
  for (const each of waiting) expect(await each).toEqual({ kind: 'refused', why: 'it cannot be fetched' });
  // Ended fetches no longer count.
  expect((await of(99)).kind).toBe('refused');
});

test('at most two fetches run at once for one user, and for one host over all its ports', async () => {
  const held = Promise.withResolvers<Response>();
  const documents = createClientDocuments(settings, () => held.promise);
  const begun = [
    documents.read('https://a.example/1', 'greedy'),
    documents.read('https://b.example/1', 'greedy'),
    documents.read('https://a.example:8443/2', 'other'),
  ];
  expect(await documents.read('https://c.example/1', 'greedy')).toEqual({ kind: 'busy' });
  expect(await documents.read('https://a.example:8444/3', 'third')).toEqual({ kind: 'busy' });
  // A user who requests a document that is already being fetched starts no other fetch.
  begun.push(documents.read('https://b.example/1', 'third'), documents.read('https://c.example/1', 'third'));
  held.reject(new Error('over'));
  expect((await Promise.all(begun)).map(({ kind }) => kind)).toEqual(Array(5).fill('refused'));
});

test('a fetch that never ends is abandoned and no longer counts', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const documents = createClientDocuments(settings, () => new Promise<never>(() => {}));
  const first = [1, 2].map((at) => documents.read(urlOf(at), 'user'));
  expect(await documents.read(urlOf(3), 'user')).toEqual({ kind: 'busy' });
  vi.advanceTimersByTime(5_000);
  for (const each of first) expect(await each).toEqual({ kind: 'refused', why: 'it cannot be fetched' });
  const again = documents.read(urlOf(3), 'user');
  vi.advanceTimersByTime(5_000);
  expect((await again).kind).toBe('refused');
});
