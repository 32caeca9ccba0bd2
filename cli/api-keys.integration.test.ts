import { beforeAll, describe, expect, test } from 'vitest';
import { opened, partOf } from '#tools/testing/opened.ts';
import { openCliHarness } from './cli-harness.ts';

const harness = opened(() => openCliHarness());
const ports = partOf(() => harness.ports);
beforeAll(async () => {
  await ports.raw`INSERT INTO users (id, email) VALUES ('ada', 'ada@people.test')`;
});

const sallyport = (...args: string[]) => harness.sallyport(['api-keys', ...args]);
const json = (...args: string[]) => harness.json(['api-keys', ...args]);
const UNKNOWN_ID = '00000000-0000-7000-8000-000000000000';

describe('sallyport api-keys', () => {
  test('creates, rotates, lists and revokes keys, prints a secret once, and records each change in the audit log', async () => {
    const why = ['--reason', 'nightly jobs'];
    const named = ['create', '--user', 'ada', '--name', 'nightly', '--permission', 'keys:read', '--days', '7'];
    expect((await sallyport(...named)).err).toContain('--reason');
    const made = await json(...named, ...why);
    const id = made.api_key.api_key_id;
    expect(made.secret).toMatch(/^sp_ak_/);
    expect(made.api_key).toMatchObject({
      state: 'live',
      owner: { kind: 'user', id: 'ada' },
      permissions: ['keys:read'],
    });
    const rotated = await sallyport('rotate', id, '--overlap', '0', ...why);
    expect(rotated.out).toMatch(new RegExp(`^live +${id}  user ada  until \\S+  nightly\\nsp_ak_\\w+\\n$`));
    expect(rotated.out).not.toContain(made.secret);
    expect((await json('list', '--user', 'ada')).api_keys).toHaveLength(1);
    expect((await sallyport('revoke', id, '--reason', 'leaked')).code).toBe(4);
    expect((await sallyport('revoke', id, '--reason', 'leaked', '--dry-run')).err).toMatch(/nothing was done/);
    expect(await json('revoke', id, '--reason', 'leaked', '--dry-run')).toEqual({
      dry_run: true,
      would: `revoke ${id}`,
    });
    expect(await json('revoke', id, '--reason', 'leaked', '--yes')).toMatchObject({ api_key: { state: 'revoked' } });
    const events = await ports.raw(
      `SELECT type, actor_id, detail ->> 'reason' AS reason FROM audit_outbox WHERE target_id = '${id}' ORDER BY id`,
    );
    expect(events).toEqual(
      [
        ['api_key.created', 'nightly jobs'],
        ['api_key.rotated', 'nightly jobs'],
        ['api_key.revoked', 'leaked'],
      ].map(([type, reason]) => ({ type, actor_id: 'sallyport api-keys', reason })),
    );
    expect(await sallyport('rotate', id, ...why)).toMatchObject({
      code: 5,
      out: '',
      err: expect.stringMatching(/api_key_over/),
    });
  });

  test('prints the cursor of the next page, and --dry-run changes nothing', async () => {
    await ports.raw`INSERT INTO api_keys (id, name, owner_kind, client_id, owner_epoch, permissions, secret_hash,
      requests_per_minute, lifetime_seconds, expires_at)
      SELECT gen_random_uuid(), n::text, 'client', 'sallyport', 0, '{}', sha256(n::text::bytea), 1, 60, now()
        FROM generate_series(1, 101) n`;
    const { out, err } = await sallyport('list', '--client', 'sallyport', '--limit', '100');
    expect(out.trim().split('\n')).toHaveLength(100);
    const cursor = /--cursor (\S+)/.exec(err)?.[1] ?? '';
    expect((await json('list', '--client', 'sallyport', '--cursor', cursor)).api_keys).toHaveLength(1);
    const creates = ['create', '--client', 'sallyport', '--name', 'x', '--reason', 'x', '--dry-run'];
    expect((await sallyport(...creates)).err).toContain('api_key_too_many');
    await ports.raw`DELETE FROM api_keys WHERE lifetime_seconds = 60`;
    expect(await json(...creates)).toEqual({ dry_run: true, would: 'create a key for client sallyport' });
    const rotates = ['rotate', UNKNOWN_ID, '--reason', 'x'];
    expect(await sallyport(...rotates, '--dry-run')).toEqual(await sallyport(...rotates, '--yes'));
  });

  test('a refused command ends with its exit code and one fix, and prints no data', async () => {
    const why = ['--reason', 'x'];
    const refused: readonly (readonly [name: string, args: string[], code: number, message: RegExp])[] = [
      ['no owner', ['create', '--name', 'x', ...why], 2, /--user or --client/],
      [
        'two owners',
        ['create', '--name', 'x', '--user', 'ada', '--client', 'sallyport', ...why],
        2,
        /exactly one owner/,
      ],
      ['an unknown owner', ['create', '--name', 'x', '--user', 'unknown', ...why], 5, /api_key_over/],
      ['no name', ['create', '--name', '', '--user', 'ada', ...why], 2, /name must have at least 1 character/],
      [
        'a lifetime of a thousand days',
        ['create', '--name', 'x', '--user', 'ada', '--days', '1000', ...why],
        2,
        /--days takes a whole number from 1 to 366/,
      ],
      ['an unknown key', ['revoke', UNKNOWN_ID, '--reason', 'x', '--yes'], 2, /api_key_unknown/],
      ['an unknown key to rotate', ['rotate', UNKNOWN_ID, ...why], 2, /api_key_unknown/],
      ['no id', ['rotate', 'x', ...why], 2, /api-keys list/],
      ['no reason', ['revoke', UNKNOWN_ID, '--reason', ''], 2, /1 to 256 characters/],
    ];
    const runs = await Promise.all(refused.map(([, args]) => sallyport(...args)));
    for (const [at, [name, , code, message]] of refused.entries()) {
      expect(runs[at]?.err, name).toMatch(message);
      expect(runs[at], name).toMatchObject({ code, out: '' });
    }
  });
});
