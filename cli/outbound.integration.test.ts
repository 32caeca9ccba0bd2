import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { openCliHarness } from './cli-harness.ts';

// The address of the target here is a name that leads nowhere, which is asked only of public addresses.
const harness = opened(() => openCliHarness({ ALERTS_PRIVATE: 'true', BETTER_AUTH_URL: 'https://auth.example.test' }));

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

test('sallyport siem lists targets with their place, and replays from a position', async () => {
  await harness.ports.raw`INSERT INTO siem_targets (name, reached_seq, failures, failure, failed_at)
    VALUES ('soc', 5, 1, 'http_503', '2026-11-25T12:00:00Z')`;
  expect((await harness.sallyport(['siem', 'list'])).out).toContain(
    'soc  has the log up to 5, 0 behind  fails since 2026-11-25T12:00:00.000Z: http_503',
  );
  const replay = ['siem', 'replay', 'soc', '--reason', 'index lost'];
  const rehearsed = await harness.sallyport([...replay, '--from', '2', '--dry-run']);
  expect(rehearsed).toMatchObject({
    code: 0,
    err: expect.stringContaining('would send target soc all events from 2 on'),
  });
  expect((await harness.sallyport([...replay, '--from', '2'])).code).toBe(4);
  expect((await harness.json(['siem', 'list'])).siem_targets).toMatchObject([{ siem_target: 'soc', reached_seq: 5 }]);
  expect(await harness.json([...replay, '--from', '2', '--yes'])).toMatchObject({ siem_target: 'soc', reached_seq: 1 });
  const rows = await harness.ports.raw`SELECT detail FROM audit_outbox WHERE type = 'siem.replayed'`;
  expect(rows).toEqual([{ detail: { siem_target: 'soc', seq: 2, reached_seq: 5, reason: 'index lost' } }]);
});

test('sallyport siem replay refuses a position that was not reached, none, and an unknown target', async () => {
  const replay = (...args: readonly string[]) =>
    harness.sallyport(['siem', 'replay', ...args, '--reason', 'test', '--yes']);
  expect((await replay('soc', '--from', '99')).err).toContain('siem_position_ahead');
  expect((await replay('soc', '--from', '-1')).code).toBe(2);
  expect((await replay('other', '--from', '0')).code).not.toBe(0);
});

test('sallyport transmitters adds with our issuer as audience, lists, and removes', async () => {
  const keys = ['--jwks-uri', 'https://idp.test/jwks'];
  const made = await harness.json(['transmitters', 'add', 'https://idp.test', ...keys, '--provider', 'okta', ...act]);
  expect(made).toMatchObject({ issuer: 'https://idp.test', provider: 'okta', match_email: false, received: 0 });
  expect(made.audience).toBe('https://auth.example.test');
  expect((await harness.sallyport(['transmitters', 'list'])).out).toContain('accounts of okta  no addresses');
  expect((await harness.json(['transmitters', 'received'])).signals).toEqual([]);
  expect(await harness.json(['transmitters', 'remove', made.transmitter_id, ...act])).toMatchObject({
    provider: 'okta',
  });
  expect((await harness.sallyport(['transmitters', 'add', 'https://idp.test', ...keys, ...act])).code).not.toBe(0);
});

test('sallyport signal-streams lists the streams of receivers, pauses one, and sends a verification event through it', async () => {
  const id = '0190a5e2-0000-7000-8000-000000000001';
  await harness.ports.raw`INSERT INTO signal_streams (id, owner, audience, method, events)
    VALUES (${id}, 'client:x', 'x', 'urn:ietf:rfc:8936', '{}')`;
  expect((await harness.sallyport(['signal-streams', 'list'])).out).toContain('client:x  polled  0 waiting');
  expect(await harness.json(['signal-streams', 'status', id, '--status', 'paused', ...act])).toMatchObject({
    status: 'paused',
    status_reason: 'administrator',
  });
  expect(await harness.json(['signal-streams', 'verify', id, ...act])).toMatchObject({ stream_id: id });
});
