import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { runCli } from '../tools/testing/processes/run-cli.ts';
import { KEK, openCliHarness } from './cli-harness.ts';

const harness = opened(openCliHarness);

const phi = (args: readonly string[], input = '') =>
  runCli(
    ['phi', ...args],
    {
      DATABASE_URL: harness.ports.databaseUrl,
      SALLYPORT_DATA_DIR: harness.dataDir,
      KEY_ENCRYPTION_KEY: KEK.toString('base64'),
    },
    input,
  );
const json = (args: readonly string[]) => harness.json(['phi', ...args]);
const FOR = ['--subject', 'p-1', '--purpose', 'treatment'];
const REASON = ['--reason', 'test', '--yes'];

describe('sallyport phi', () => {
  test('encrypt and decrypt pass a JSON value through standard input and output, and record both', async () => {
    const encrypted = await phi(['encrypt', ...FOR, '--level', 'high'], '{"note":"canary-note"}');
    expect(encrypted).toMatchObject({ code: 0 });
    expect(encrypted.out).not.toContain('canary-note');
    const decrypted = await phi(['decrypt', '--purpose', 'treatment'], encrypted.out);
    expect([decrypted.code, decrypted.out]).toEqual([0, '{"note":"canary-note"}\n']);
    const rows = await harness.ports
      .raw`SELECT type, actor_id FROM audit_outbox WHERE type LIKE 'phi.%crypted' ORDER BY id`;
    expect(rows).toEqual([
      { type: 'phi.encrypted', actor_id: 'sallyport phi' },
      { type: 'phi.decrypted', actor_id: 'sallyport phi' },
    ]);
    const refused = await phi(['decrypt', '--purpose', 'payment'], encrypted.out);
    expect(refused).toMatchObject({ out: '' });
    expect(refused.code).not.toBe(0);
  });

  test('rotate starts a rotation, and keys and rotation show it; --dry-run does not', async () => {
    await phi(['encrypt', ...FOR], '1');
    const started = await json(['rotate', ...REASON]);
    expect(started).toMatchObject({ state: 'running', key_version: 2 });
    expect(await json(['rotation', started.rotation_id])).toEqual(started);
    const { out } = await phi(['keys']);
    expect(out).toMatch(
      /2 {2}current .+\n.+1 {2}retiring .+\nrotation \S+ {2}running {2}to key 2 {2}0 of \? data keys\n/,
    );
    expect(await phi(['rotation', randomUUID()])).toMatchObject({ out: '' });
  });

  test('shred destroys the keys of a person, after a confirmation', async () => {
    const { out } = await phi(['encrypt', '--subject', 'p-2', '--purpose', 'treatment'], '"x"');
    expect(await phi(['shred', 'p-2', '--reason', 'asked'])).toMatchObject({ code: 4 });
    expect(await json(['shred', 'p-2', ...REASON])).toMatchObject({ subject_id: 'p-2', destroyed_keys: 1 });
    const refused = await phi(['decrypt', '--purpose', 'treatment'], out);
    expect(refused.err).toContain('fix: ');
    expect(refused.code).not.toBe(0);
  });

  test('--dry-run encrypts and decrypts nothing', async () => {
    const { out } = await phi(['encrypt', ...FOR], '"canary-note"');
    const before = await harness.ports.raw`SELECT count(*) FROM audit_outbox`;
    const tries = [
      await phi(['encrypt', ...FOR, '--dry-run'], '"canary-note"'),
      await phi(['decrypt', '--purpose', 'treatment', '--dry-run'], out),
    ];
    for (const { code, out: shown, err } of tries) {
      expect([code, shown]).toEqual([0, '']);
      expect(err).toMatch(/would .*nothing was done/);
      expect(err).not.toContain('canary-note');
    }
    expect(await harness.ports.raw`SELECT count(*) FROM audit_outbox`).toEqual(before);
  });

  test.each([
    ['input that is not JSON', ['encrypt', ...FOR], 'canary-note', /standard input is not JSON/],
    [
      'a name as the subject',
      ['encrypt', '--subject', 'Jane Doe', '--purpose', 'treatment'],
      '1',
      /subject does not have the form/,
    ],
    ['no purpose', ['encrypt', '--subject', 'p-1'], '1', /--purpose/],
    ['another purpose', ['encrypt', '--subject', 'p-1', '--purpose', 'curiosity'], '1', /Allowed choices/],
    ['no envelope', ['decrypt', '--purpose', 'treatment'], '{"a":"canary-note"}', /encrypted/],
  ])('%s is refused, and no message quotes the value', async (_name, args, input, message) => {
    const { code, out, err } = await phi(args, input);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
    for (const value of ['canary-note', 'Jane Doe']) expect(err).not.toContain(value);
  });
});
