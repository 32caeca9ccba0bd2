import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

/**
 * Runs in a separate process, where nothing else uses processor time or memory. Each kind of token is rejected many
 * times, first to warm up and then measured: the time of one rejection, and the growth of the process in total.
 */
const source = `
import { deflateRawSync } from 'node:zlib';
import { encode, headerOf, jws, reasonOf, tokenHarness } from ${JSON.stringify(
  new URL('../../../../tools/testing/harness/token.ts', import.meta.url).href,
)};
const harness = tokenHarness();
const key = harness.keys.RS256;
const bomb = deflateRawSync(Buffer.alloc(6_000_000, 0x20)).toString('base64url');
const deep = '['.repeat(10_000) + ']'.repeat(10_000);
const tokens = {
  longer: 'a'.repeat(9_000),
  muchLonger: 'a.'.repeat(500_000),
  longSigned: jws(key, headerOf(key), { note: 'x'.repeat(9_000) }),
  deepPayload: jws(key, headerOf(key), deep),
  deepHeader: encode(deep) + '.e30.AA',
  deepWithin8k: jws(key, headerOf(key), '['.repeat(2_700) + ']'.repeat(2_700)),
  passwordCount: encode({ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 1_000_000_000, p2s: 'AAAA' }) + '.AA.AA.AA.AA',
  passwordCountSigned: jws(key, { ...headerOf(key), p2c: 1_000_000_000 }, {}),
  bomb: encode({ alg: 'dir', enc: 'A128GCM', zip: 'DEF' }) + '..AA.' + bomb + '.AA',
  bombSigned: encode({ ...headerOf(key), zip: 'DEF' }) + '.' + bomb + '.AA',
};
const refuse = (token) => {
  for (let count = 0; count < 500; count += 1) {
    const reason = reasonOf(harness, token);
    if (reason !== 'malformed') throw new Error(reason);
  }
};
// The heap has its size before anything is measured; what a kind of token leaves behind would go on growing.
for (let turn = 0; turn < 10; turn += 1) for (const token of Object.values(tokens)) refuse(token);
const figures = {};
for (const [kind, token] of Object.entries(tokens)) {
  const { rss } = process.memoryUsage();
  const before = process.cpuUsage();
  refuse(token);
  const { user, system } = process.cpuUsage(before);
  figures[kind] = { cpuMs: (user + system) / 1_000 / 500, grownMb: (process.memoryUsage().rss - rss) / 1e6 };
}
console.log(JSON.stringify(figures));
`;

test('a token that is too long or too deep, or has PBES2 with p2c=1e9 or a zip bomb, is rejected in less than 5 ms of processor time, and 500 of each in less than 10 MB', () => {
  const figures: Record<string, { cpuMs: number; grownMb: number }> = JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' }),
  );
  expect(Object.keys(figures)).toHaveLength(10);
  for (const [kind, { cpuMs, grownMb }] of Object.entries(figures)) {
    expect(cpuMs, `${kind}, ms`).toBeLessThan(5);
    expect(grownMb, `${kind}, MB`).toBeLessThan(10);
  }
});
