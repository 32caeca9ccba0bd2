import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CliHarness, openCliHarness } from './cli-harness.ts';

let harness: CliHarness;
beforeAll(async () => {
  // The address of the target here is a name that leads nowhere, which is asked only of public addresses.
  harness = await openCliHarness({ ALERTS_PRIVATE: 'true' });
});
afterAll(() => harness?.close());

const json = (...args: readonly string[]) => harness.json(args);
const act = ['--reason', 'test', '--yes'];

test('sallyport alert-targets takes the URL from a file, shows what may be shown, tests and removes', async () => {
  const file = join(harness.dataDir, 'url.txt');
  await writeFile(file, 'https://hooks.slack.test/services/T0/B0/secret\n');
  const made = await json('alert-targets', 'add', 'slack', '--name', 'on-call', '--url-file', file, ...act);
  expect(made).toMatchObject({ kind: 'slack', name: 'on-call', destination: 'https://hooks.slack.test/…' });
  const mail = ['--to', 'a@b.test', '--sources', 'incident,control'];
  expect(await json('alert-targets', 'add', 'mail', ...mail, ...act)).toMatchObject({
    destination: 'a@b.test',
    sources: ['incident', 'control'],
    min_severity: 'medium',
  });
  expect((await harness.sallyport(['alert-targets', 'list'])).out).toContain('on-call');
  const changed = await json('alert-targets', 'update', made.target_id, '--min-severity', 'critical', ...act);
  expect(changed).toMatchObject({ name: 'on-call', min_severity: 'critical' });
  expect(await json('alert-targets', 'test', made.target_id, ...act)).toMatchObject({ status: 'waiting' });
  expect((await harness.sallyport(['alert-targets', 'deliveries', made.target_id])).out).toContain('waiting');
  expect((await harness.sallyport(['alert-targets', 'test', made.target_id, ...act])).out).toContain('0 firing');
  expect(await json('alert-targets', 'remove', made.target_id, ...act)).toMatchObject({ name: 'on-call' });
  expect((await harness.sallyport(['alert-targets', 'add', 'slack', '--url-file', '/none', ...act])).code).toBe(2);
});

test('sallyport silences and alerts', async () => {
  const until = ['--until', new Date(Date.now() + 3_600_000).toISOString()];
  const silence = await json('silences', 'add', '--match', 'name=a', 'source=control', ...until, ...act);
  expect(silence).toMatchObject({ matchers: ['name=a', 'source=control'], is_active: true });
  expect((await harness.sallyport(['silences', 'list'])).out).toContain('active');
  expect(await json('silences', 'end', silence.silence_id, ...act)).toMatchObject({ is_active: false });
  expect((await json('alerts', 'list')).alerts).toEqual([]);
});
