import { randomBytes, randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import { basicHeader, type Sent, send } from '#tools/testing/http-client.ts';
import type { Operation } from '#tools/testing/openapi-check.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => startProductHarness({ WORKER_COPIES: '1' }));

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD'] as const;
const random = (): string => randomBytes(9).toString('base64url');

/** Lines of the scrape of all processes, buckets included: the series that a metrics store keeps. */
async function scrape(): Promise<string[]> {
  const { text } = await send(harness.product.metrics, 'GET', '');
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}
/** Only series that requests create: jobs and connections add theirs at other times. */
const ofRequests = (lines: readonly string[]): number =>
  lines.filter((line) => line.startsWith('http_server_request_duration_seconds')).length;

/** Anonymous requests to random addresses, some of which match a route. */
async function strangers(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1)
    await send(
      harness.product.api,
      METHODS[index % METHODS.length]!,
      `${index % 2 ? '/v1/users' : ''}/${randomUUID()}`,
      { headers: { 'user-agent': random(), origin: `https://${random()}.test` }, bearer: random() },
    );
}

/** A request that is closed once its answer begins: some answers are streams. */
async function begin({ method, path, bodyType }: Operation, { basic }: Sent): Promise<void> {
  const answer = await fetch(harness.product.api + path.replaceAll(/\{\w+\}/g, randomUUID()), {
    method,
    redirect: 'manual',
    headers: {
      ...(bodyType === undefined ? {} : { 'content-type': bodyType }),
      ...(basic === undefined ? {} : { authorization: basicHeader(basic) }),
    },
    ...(bodyType === undefined ? {} : { body: bodyType.includes('json') ? '{}' : 'a=b' }),
  });
  await answer.body?.cancel();
}

test('random users and paths create fewer than 2,000 series of a running product, and the later ones none', async () => {
  await strangers(200);
  const before = ofRequests(await scrape());
  await strangers(400);
  const lines = await scrape();
  expect(before).toBeGreaterThan(0);
  expect(ofRequests(lines)).toBe(before);
  expect(lines.length).toBeLessThan(2_000);
});

test('every operation, called anonymously and by a client, leaves at most 25 series each and 500 of its own', async () => {
  for (const sent of [{}, harness.byClient]) for (const each of harness.operations) await begin(each, sent);
  const lines = await scrape();
  // Each process has answered a scrape at least once.
  const answered = lines.filter((line) => line.startsWith('http_server_request_duration_seconds_count'));
  expect(answered.length).toBeGreaterThan(harness.operations.length);
  expect(lines.length).toBeLessThan(500 + 25 * harness.operations.length);
});
