import { beforeEach, describe, expect, test } from 'vitest';
import { giveKeys } from '#tools/testing/harness/log.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { KEK, openCliHarness } from './cli-harness.ts';

const harness = opened(() => openCliHarness());
const ports = partOf(() => harness.ports);
beforeEach(async () => {
  await ports.raw`TRUNCATE jwks, server_secrets, key_policy, audit_outbox`;
  await giveKeys(ports);
});

const sallyport = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  harness.sallyport(['keys', ...args], env);
const json = (args: readonly string[]) => harness.json(['keys', ...args]);
const kids = async (): Promise<string[]> =>
  (await ports.raw<{ id: string }>`SELECT id FROM jwks WHERE purpose = 'access' ORDER BY signs`).map((row) => row.id);

describe('sallyport keys', () => {
  test('list prints data on stdout: one JSON line, or a line per key', async () => {
    const [kid] = await kids();
    expect(await json(['list'])).toMatchObject({ keys: [{ kid, state: 'active', alg: 'EdDSA' }] });
    const { out, err } = await sallyport(['list']);
    expect(out).toMatch(new RegExp(`^active +EdDSA +${kid} +signs from \\S+\\n$`));
    expect(err).toBe('');
  });

  test('rotate follows what the running API was configured with, not the environment of the command', async () => {
    const first = await json(['rotate']);
    expect(first).toMatchObject({ outcome: 'publish', key: { state: 'pending', alg: 'EdDSA' } });
    const held = Date.parse(first.key.activates_at) - Date.parse(first.key.published_at);
    expect(held).toBe(70_000);
    expect(await json(['rotate'])).toMatchObject({ outcome: 'pending', key: { kid: first.key.kid } });
    expect((await json(['timeline'])).events.map((moment: { event: string }) => moment.event)).toEqual([
      'published',
      'signs',
      'published',
      'stops signing',
      'signs',
      'leaves the key set',
    ]);
    expect((await sallyport(['timeline'])).out.trim().split('\n')).toHaveLength(6);
    const actors = await ports.raw(
      `SELECT DISTINCT actor_kind, actor_id FROM audit_outbox WHERE target_id = '${first.key.kid}'`,
    );
    expect(actors).toEqual([{ actor_kind: 'system', actor_id: 'sallyport keys' }]);
  });

  test('rotate --when-due before the rotation day, or with --dry-run, changes nothing', async () => {
    expect(await json(['rotate', '--when-due'])).toMatchObject({ outcome: 'not_due' });
    const rehearsal = await sallyport(['rotate', '--dry-run', '--json']);
    expect(JSON.parse(rehearsal.out)).toEqual({ dry_run: true, would: 'publish', key: null });
    expect(rehearsal.err).toMatch(/would publish the next key; nothing was done/);
    expect(await kids()).toHaveLength(1);
    await sallyport(['rotate']);
    expect((await sallyport(['rotate', '--dry-run'])).err).toMatch(/nothing to do: .* is waiting/);
  });

  test('rotate --algorithm rotates the keys of one algorithm, and refuses one that does not sign here', async () => {
    const publish = { outcome: 'publish', key: { alg: 'EdDSA', purpose: 'access' } };
    expect(await json(['rotate', '--algorithm', 'EdDSA'])).toMatchObject(publish);
    for (const mode of [[], ['--dry-run']]) {
      const refused = await sallyport(['rotate', '--algorithm', 'ES256', ...mode]);
      expect(refused).toMatchObject({ code: 2, out: '', err: expect.stringContaining('No ES256 key signs here.') });
    }
    expect(await kids()).toHaveLength(2);
  });

  test('compromise asks for confirmation, and names the key that signs from now on', async () => {
    const [kid = ''] = await kids();
    const asked = await sallyport(['compromise', kid, '--reason', 'leaked']);
    expect(asked).toMatchObject({ code: 4, out: '' });
    expect(asked.err).toMatch(/add --yes/);
    const rehearsal = await sallyport(['compromise', kid, '--reason', 'leaked', '--dry-run', '--json']);
    expect(rehearsal.err).toMatch(/would revoke the active key/);
    expect(JSON.parse(rehearsal.out)).toMatchObject({ dry_run: true, would: 'compromise', key: { kid } });
    expect(await kids()).toHaveLength(1);
    const answer = await json(['compromise', kid, '--reason', 'leaked', '--yes']);
    expect(answer).toMatchObject({ key: { kid, state: 'compromised' }, signer: { state: 'active' } });
    expect((await sallyport(['compromise', kid, '--reason', 'again', '--yes'])).err).toMatch(/without the hold/);
  });

  test('rewrap re-encrypts everything under the new key-encryption key once, and prints the next step', async () => {
    const [fresh, previous] = [Buffer.alloc(32, 6).toString('base64'), KEK.toString('base64')];
    const env = { KEY_ENCRYPTION_KEY: fresh, KEY_ENCRYPTION_KEY_PREVIOUS: previous };
    expect((await sallyport(['rewrap', '--dry-run'], env)).err).toMatch(/would re-encrypt (\d+) of \1 values/);
    const done = await sallyport(['rewrap', '--json'], env);
    const { sealed, rewrapped } = JSON.parse(done.out);
    expect(sealed).toBeGreaterThanOrEqual(5);
    expect(rewrapped).toBe(sealed);
    expect(done.err).toMatch(/unset KEY_ENCRYPTION_KEY_PREVIOUS/);
    expect((await sallyport(['rewrap'], env)).err).toMatch(/nothing to do: KEY_ENCRYPTION_KEY opens all \d+ values/);
    expect(await sallyport(['rotate'], { KEY_ENCRYPTION_KEY: fresh })).toMatchObject({ code: 0 });
    expect(await sallyport(['rotate'])).toMatchObject({ code: 5 });
  });

  test('rewrap --from-auth-secret replaces the key that a start derives from the auth secret', async () => {
    const env = { KEY_ENCRYPTION_KEY: '', BETTER_AUTH_SECRET: 'a-secret-of-more-than-thirty-two-characters' };
    const back = { ...env, KEY_ENCRYPTION_KEY_PREVIOUS: KEK.toString('base64') };
    expect(await sallyport(['rewrap'], back)).toMatchObject({ code: 0 });
    expect(await sallyport(['rotate'], env)).toMatchObject({ code: 0 });
    const { KEY_ENCRYPTION_KEY: _none, ...secret } = env;
    expect((await sallyport(['rewrap', '--from-auth-secret'], secret)).err).toMatch(/re-encrypted (\d+) of \1 values/);
    expect(await sallyport(['list'])).toMatchObject({ code: 0 });
  });

  test('rewrap without a previous key-encryption key says which variable to set', async () => {
    const run = await sallyport(['rewrap']);
    expect(run).toMatchObject({ code: 2, out: '' });
    expect(run.err).toMatch(/KEY_ENCRYPTION_KEY_PREVIOUS is not set/);
  });

  test.each([
    ['an unknown key', ['compromise', 'unknown', '--reason', 'x', '--yes'], {}, 2, /sallyport keys list/],
    ['no reason', ['compromise', 'unknown'], {}, 2, /--reason/],
    ['an empty reason', ['compromise', 'unknown', '--reason', '', '--yes'], {}, 2, /1 to 256 characters/],
    [
      'another key-encryption key',
      ['rotate'],
      { KEY_ENCRYPTION_KEY: Buffer.alloc(32, 6).toString('base64') },
      5,
      /fix: start with the KEY_ENCRYPTION_KEY/,
    ],
    ['no key-encryption key', ['rotate'], { KEY_ENCRYPTION_KEY: '' }, 5, /SALLYPORT_DATA_DIR/],
    ['no database', ['list'], { DATABASE_URL: 'postgresql://absent@127.0.0.1:1/none' }, 3, /does not answer/],
  ])('%s ends with its exit code and one fix', async (_, args, env, code, message) => {
    const run = await sallyport(args, env as Record<string, string>);
    expect(run.err).toMatch(message);
    expect(run).toMatchObject({ code, out: '' });
    expect(await kids()).toHaveLength(1);
  });
});
