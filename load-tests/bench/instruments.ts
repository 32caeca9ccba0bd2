// Cost of one metric write. Run: node load-tests/bench/instruments.ts
import { createRegistry } from '#observability/metrics/instruments.ts';

const WRITES = 5_000_000;
const ROUNDS = 5;
const registry = createRegistry();
const counter = registry.defineCounter({
  name: 'bench_validations',
  help: 'Bench.',
  labels: { result: ['active', 'inactive'], reason: ['none', 'expired', 'revoked', 'malformed'] },
});
const histogram = registry.defineHistogram({
  name: 'bench_duration_seconds',
  help: 'Bench.',
  unit: 's',
  labels: { method: ['GET', 'POST'], route: ['/a', '/b'] },
  buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
});
const active = counter.at({ result: 'active', reason: 'none' });
const post = histogram.at({ method: 'POST', route: '/a' });
const values = Float64Array.from({ length: 1024 }, () => Math.random() ** 4);

const cases: Record<string, (at: number) => void> = {
  'empty loop': () => {},
  'counter series add': () => active.add(1),
  'counter add with labels': () => counter.add(1, { result: 'active', reason: 'none' }),
  'histogram series record': (at) => post.record(values[at & 1023] as number),
  'histogram record, labels': (at) => histogram.record(values[at & 1023] as number, { method: 'POST', route: '/a' }),
};
for (const [name, work] of Object.entries(cases)) {
  const samples: number[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const start = process.hrtime.bigint();
    for (let at = 0; at < WRITES; at += 1) work(at);
    if (round > 0) samples.push(Number(process.hrtime.bigint() - start) / WRITES);
  }
  samples.sort((a, b) => a - b);
  console.log(`${name.padEnd(26)} ${samples[Math.floor(ROUNDS / 2)]?.toFixed(1).padStart(6)} ns`);
}
