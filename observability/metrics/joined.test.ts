import { expect, test } from 'vitest';
import { createRegistry } from './instruments.ts';
import { createJoined } from './joined.ts';

const labels = { outcome: ['ok', 'refused'] } as const;

test('counts of another thread are merged into our own series, and stay when it ends', () => {
  const registry = createRegistry();
  const logins = registry.defineCounter({ name: 'logins', help: 'h', labels });
  const seconds = registry.defineHistogram({ name: 'seconds', help: 'h', buckets: [1, 2] });
  const depth = registry.defineGauge({ name: 'depth', help: 'h' });
  const joined = createJoined(registry);
  const read = (name: string) => registry.collect().find((metric) => metric.name === name)?.series;

  logins.add(1, { outcome: 'ok' });
  seconds.record(0.5);
  depth.set(2);
  const theirs = [
    { name: 'logins', series: [{ labels: { outcome: 'ok' }, value: 4 }] },
    { name: 'seconds', series: [{ labels: {}, value: 1.5, counts: [0, 1, 0] }] },
    { name: 'depth', series: [{ labels: {}, value: 5 }] },
  ];
  joined.show(theirs);
  joined.show(theirs);
  expect(read('logins')).toEqual([
    { labels: { outcome: 'ok' }, value: 5 },
    { labels: { outcome: 'refused' }, value: 0 },
  ]);
  expect(read('seconds')).toEqual([{ labels: {}, value: 2, counts: [1, 1, 0] }]);
  expect(read('depth')).toEqual([{ labels: {}, value: 7 }]);

  joined.keep();
  expect(read('logins')?.[0]?.value).toBe(5);
  expect(read('depth')?.[0]?.value).toBe(2);
  joined.show([{ name: 'logins', series: [{ labels: { outcome: 'refused' }, value: 1 }] }]);
  expect(read('logins')).toEqual([
    { labels: { outcome: 'ok' }, value: 5 },
    { labels: { outcome: 'refused' }, value: 1 },
  ]);
});
