import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { takeFence } from '#services/platform/queue/fences.ts';
import { openBreakGlass } from '#services/wings/privacy/access/break-glass.ts';
import { processPrivacyRequests } from '#services/wings/privacy/access/privacy-requests.ts';
import { encryptPhi } from '#services/wings/privacy/encrypt-phi.ts';
import { implementDataRetentionPolicies } from '#services/wings/privacy/retention/retention.ts';
import { giveKeys } from '#tools/testing/harness/log.ts';
import { testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';
import { KEK, openCliHarness } from '../cli-harness.ts';

// Each command is a process of its own.
const harness = opened(() => openCliHarness());
const ports = partOf(() => harness.ports);
beforeAll(async () => {
  await giveKeys(ports);
  await ports.raw`INSERT INTO users (id, email, name)
    VALUES ('officer', 'o@people.test', 'O'), ('nurse', 'n@people.test', 'N')`;
  const phi = { subject_id: 'p-1', purpose: 'treatment', level: 'standard', data: 'x' } as const;
  await encryptPhi(ports, phi, testCaller);
});

const REASON = ['--reason', 'test', '--yes'];
const json = (...args: string[]) => harness.json(['privacy', ...args]);
const privacy = (...args: string[]) => harness.sallyport(['privacy', ...args]);
const eventsOf = (type: string) =>
  ports.raw`SELECT actor_id, outcome, target_id FROM audit_outbox WHERE type = ${type} ORDER BY id`;
const job = async (name: 'process-privacy-requests' | 'apply-retention') => ({
  fence: await takeFence(ports.sql, name),
  signal: new AbortController().signal,
  caller: testCaller as typeof testCaller & { readonly kind: 'system' },
});

describe('sallyport privacy', () => {
  test('policies are set, listed and deleted', async () => {
    const set = await json('policies', 'set', 'auditor', 'name', 'visits.cost', '--purpose', 'payment', ...REASON);
    expect(set).toMatchObject({ role: 'auditor', purpose: 'payment', fields: ['name', 'visits.cost'] });
    expect((await json('policies', 'list')).policies).toContainEqual(set);
    expect((await privacy('policies', 'list')).out).toMatch(/auditor +payment +name,visits\.cost/);
    await json('policies', 'delete', 'auditor', '--purpose', 'payment', ...REASON);
    expect((await json('policies', 'list')).policies).not.toContainEqual(set);
    expect(await privacy('policies', 'set', 'auditor', '../x', '--purpose', 'payment', ...REASON)).toMatchObject({
      code: 2,
    });
  });

  test('an emergency access is listed, and reviewed once by a user other than the one who opened it', async () => {
    const opened = await openBreakGlass(ports, { subject_id: 'p-1', minutes: 5, reason: 'x' }, userCaller('nurse'));
    const id = opened.break_glass_id;
    expect((await json('break-glass', 'list', '--unreviewed')).break_glass).toMatchObject([{ break_glass_id: id }]);
    const review = (reviewer: string) =>
      privacy('break-glass', 'review', id, '--outcome', 'justified', '--reviewer', reviewer, ...REASON);
    expect(await review('nurse')).toMatchObject({ code: 5 });
    expect(await review('unknown')).toMatchObject({ code: 2 });
    const done = await review('officer');
    expect([done.code, done.out]).toEqual([0, expect.stringContaining('justified, by officer')]);
    expect(await review('officer')).toMatchObject({ code: 5 });
    expect((await json('break-glass', 'list', '--unreviewed')).break_glass).toEqual([]);
    expect(await eventsOf('phi.break_glass_reviewed')).toEqual([
      { actor_id: 'sallyport privacy', outcome: 'justified', target_id: 'p-1' },
    ]);
  });

  test('restrictions and legal holds are added, listed and ended', async () => {
    const restriction = await json('restrictions', 'add', 'p-1', '--purposes', 'payment', 'legal', ...REASON);
    expect((await json('restrictions', 'list', 'p-1')).restrictions).toEqual([restriction]);
    const ended = await json('restrictions', 'end', 'p-1', restriction.restriction_id, ...REASON);
    expect(ended.ended_at).not.toBeNull();
    const hold = await json('holds', 'place', 'p-1', ...REASON);
    expect((await json('holds', 'list', 'p-1')).holds).toEqual([hold]);
    expect(await privacy('delete', 'p-1', ...REASON)).toMatchObject({ code: 5 });
    expect((await json('holds', 'end', 'p-1', hold.hold_id, ...REASON)).ended_at).not.toBeNull();
    expect(await privacy('holds', 'place', 'typo', ...REASON)).toMatchObject({ code: 2 });
  });

  test('consents are recorded, checked and withdrawn', async () => {
    const about = ['p-1', '--purpose', 'research'];
    expect(await privacy('consents', 'check', ...about)).toMatchObject({ code: 1, out: 'not granted\n' });
    const given = await json('consents', 'record', ...about, '--terms', '2026-01');
    expect(given).toMatchObject({ version: 1, granted: true });
    expect(await privacy('consents', 'check', ...about)).toMatchObject({ code: 0, out: 'granted\n' });
    expect((await json('consents', 'withdraw', 'p-1', ...REASON)).withdrawn).toMatchObject([{ version: 2 }]);
    expect(await privacy('consents', 'check', ...about)).toMatchObject({ code: 1 });
    expect((await json('consents', 'list', 'p-1')).consents).toHaveLength(2);
  });

  test('a disclosure comes on standard input, is encrypted, and is listed', async () => {
    const env = {
      DATABASE_URL: ports.databaseUrl,
      SALLYPORT_DATA_DIR: harness.dataDir,
      KEY_ENCRYPTION_KEY: KEK.toString('base64'),
    };
    const add = (input: string, ...args: string[]) =>
      runCli(['privacy', 'disclosures', 'add', 'p-1', '--purpose', 'legal', '--at', '2026-01-31', ...args], env, input);
    const words = JSON.stringify({ recipient: 'canary-court', description: 'canary-letter' });
    expect(await add(words, '--dry-run')).toMatchObject({ code: 0, out: '' });
    expect((await json('disclosures', 'list', 'p-1')).disclosures).toEqual([]);
    expect(await add(words)).toMatchObject({ code: 0 });
    for (const wrong of ['canary-court', '{"recipient":"canary-court"}']) {
      const refused = await add(wrong);
      expect([refused.code, refused.err.includes('canary')]).toEqual([2, false]);
    }
    expect((await json('disclosures', 'list', 'p-1')).disclosures).toMatchObject([
      { disclosed_at: '2026-01-31T00:00:00.000Z', recipient: 'canary-court', description: 'canary-letter' },
    ]);
    expect(JSON.stringify(await ports.raw`SELECT d::text FROM phi_disclosures d`)).not.toContain('canary');
  });

  test('an export is requested, shown with its receipt, and written to a file that only its owner reads', async () => {
    const { request_id: id } = await json('export', 'p-1', ...REASON);
    const file = join(harness.dataDir, 'export.json');
    expect(await privacy('request', id, '--out', file)).toMatchObject({ code: 5 });
    await processPrivacyRequests(ports, await job('process-privacy-requests'));
    const shown = await privacy('request', id, '--out', file);
    expect([shown.code, shown.out]).toEqual([0, expect.stringContaining('not sealed yet')]);
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ subject_id: 'p-1' });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test('a deletion asks first, and destroys the keys of both levels', async () => {
    expect(await privacy('delete', 'p-1', '--reason', 'asked')).toMatchObject({ code: 4 });
    const { request_id: id } = await json('delete', 'p-1', ...REASON);
    await processPrivacyRequests(ports, await job('process-privacy-requests'));
    expect(await json('request', id)).toMatchObject({
      kind: 'deletion',
      state: 'done',
      summary: { destroyed_keys: 2 },
    });
  });

  test('retention is shown and set; run --dry-run counts what run removes', async () => {
    await ports.raw`INSERT INTO phi_restrictions (id, subject_id, purposes, ended_at)
      VALUES (gen_random_uuid(), 'gone', '{legal}', now() - interval '2193 days')`;
    expect(await json('retention', 'set', 'exports', '9', ...REASON)).toMatchObject({ kind: 'exports', keep_days: 9 });
    expect(await privacy('retention', 'set', 'consents', '9', ...REASON)).toMatchObject({ code: 5 });
    expect(await privacy('retention', 'set', 'charts', '9', ...REASON)).toMatchObject({ code: 2 });
    const counted = await json('retention', 'run', '--reason', 'test', '--dry-run');
    expect(counted).toMatchObject({ dry_run: true, counts: { restrictions: 1, disclosures: 0 } });
    expect((await json('retention', 'show')).runs).toEqual([]);
    const { run_id } = await json('retention', 'run', ...REASON);
    await implementDataRetentionPolicies(ports, await job('apply-retention'));
    const { runs } = await json('retention', 'show');
    expect(runs).toMatchObject([{ run_id, state: 'done', counts: { restrictions: 1 } }]);
  });

  test('accesses lists the sealed uses of one person, newest first, in pages', async () => {
    await ports.raw`WITH events AS (
        INSERT INTO audit_events (seq, event_id, type, outcome, actor_kind, actor_id, detail, occurred_at, sealed_at,
          leaf)
        SELECT n, gen_random_uuid(), 'phi.decrypted', 'ok', 'user', 'nurse', '{"purpose":"treatment","basis":"policy"}',
          now(), now(), '\\x00' FROM generate_series(0, 4) n RETURNING event_id, seq)
      INSERT INTO audit_personal (event_id, field, salt, value)
      SELECT event_id, 'target', sha256(''), 'subject:p-' || seq % 2 FROM events`;
    const first = await json('accesses', 'p-0', '--limit', '2');
    expect(first.accesses).toMatchObject([
      { seq: 4, actor: 'user:nurse', purpose: 'treatment', basis: 'policy' },
      { seq: 2 },
    ]);
    const rest = await json('accesses', 'p-0', '--limit', '2', '--cursor', first.next);
    expect([rest.accesses.map(({ seq }: { seq: number }) => seq), rest.next]).toEqual([[0], null]);
    expect(await privacy('accesses', 'Jane Doe')).toMatchObject({ code: 2 });
  });

  test.each([
    [['--help'], /break-glass/],
    [['break-glass', 'review', '--help'], /--reviewer <user>/],
    [['retention', 'run', '--help'], /--dry-run/],
  ])('%j shows the options', async (args, shown) => {
    const { code, out } = await privacy(...args);
    expect([code, out]).toEqual([0, expect.stringMatching(shown)]);
  });
});
