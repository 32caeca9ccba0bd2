import { expect, onTestFinished, test } from 'vitest';
import { createRegistry } from './instruments.ts';
import { lookBeforeScrape, lookWhenScraped } from './scrape-looks.ts';
import { serveMetrics } from './server.ts';

test('a scrape shows figures that were read for it, once for scrapes at the same time and again when they are old', async () => {
  const registry = createRegistry();
  const rows = registry.defineGauge({ name: 'rows', help: 'Rows.' });
  let reads = 0;
  const readEvery = (everyMs: number) => {
    const { close } = lookWhenScraped(async () => {
      reads += 1;
      rows.set(reads);
    }, everyMs);
    onTestFinished(() => void close());
    return close;
  };
  const server = await serveMetrics({ port: 0, collect: registry.collect });
  onTestFinished(() => server.close());
  const scrape = async () =>
    /^rows (\d+)/m.exec(await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text())?.[1];
  const close = readEvery(3_600_000);
  expect(reads).toBe(0);
  expect(await Promise.all([scrape(), scrape()])).toEqual(['1', '1']);
  expect(await scrape()).toBe('1');
  close();
  readEvery(0);
  expect([await scrape(), await scrape()]).toEqual(['2', '3']);
});

test('a scrape waits for a store only so long, asks it nothing twice, and outlives its failure', async () => {
  const answer = Promise.withResolvers<void>();
  let asked = 0;
  const { close } = lookWhenScraped(() => {
    asked += 1;
    return answer.promise;
  }, 0);
  onTestFinished(() => void close());
  await lookBeforeScrape();
  await lookBeforeScrape();
  expect(asked).toBe(1);
  answer.reject(new Error('away'));
  await lookBeforeScrape();
  await lookBeforeScrape();
  expect(asked).toBeGreaterThan(1);
});
