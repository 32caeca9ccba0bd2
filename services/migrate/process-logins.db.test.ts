import { randomBytes } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { createPool } from '#services/platform/postgres/pool.ts';
import { patient, queryRows } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { ensureProcessLogins } from './process-logins.ts';

const made: string[] = [];
const database = opened(createTestDatabase);
afterAll(async () => {
  for (const login of made) await queryRows(database.url)(`DROP ROLE IF EXISTS "${login}"`);
});

/** A URL with a login that does not exist, and a password that needs escaping. */
function newUrl(word = randomBytes(12).toString('base64')): string {
  const url = new URL(database.url);
  const login = `t'"${randomBytes(6).toString('hex')}`;
  made.push(login.replaceAll('"', '""'));
  url.username = encodeURIComponent(login);
  url.password = encodeURIComponent(word);
  return url.href;
}

const rolesOf = async (url: string, role: 'sallyport_api' | 'sallyport_worker' | 'sallyport_log_sealer') => {
  const pool = createPool({ ...patient, url, role, connections: 1, applicationName: 'test' });
  const { rows } = await pool.query<{ role: string }>('SELECT current_user AS role');
  await pool.end();
  return rows[0]?.role;
};
const ensure = (urls: Parameters<typeof ensureProcessLogins>[1], said: string[] = []) =>
  ensureProcessLogins(database.url, urls, (text) => said.push(text));

test('makes a login for each process, with the password of its URL and the roles of its process; again it changes nothing', async () => {
  const urls = { api: newUrl(), mcp: newUrl('päß wörd'), worker: newUrl() };
  const said: string[] = [];
  expect(await ensure(urls, said)).toEqual([]);
  expect(said).toHaveLength(3);
  expect(await rolesOf(urls.api, 'sallyport_api')).toBe('sallyport_api');
  expect(await rolesOf(urls.worker, 'sallyport_worker')).toBe('sallyport_worker');
  expect(await rolesOf(urls.worker, 'sallyport_log_sealer')).toBe('sallyport_log_sealer');
  await expect(queryRows(urls.mcp)`SELECT FROM login_challenges`).rejects.toMatchObject({ code: '42501' });
  await expect(queryRows(urls.api)`SET ROLE sallyport_worker`).rejects.toMatchObject({ code: '42501' });
  expect(await ensure(urls, said)).toEqual([]);
  expect(said).toHaveLength(3);
});

test('two that run at once both end well', async () => {
  const urls = { api: newUrl(), worker: newUrl() };
  expect(await Promise.all([ensure(urls), ensure(urls)])).toEqual([[], []]);
  expect(await rolesOf(urls.api, 'sallyport_api')).toBe('sallyport_api');
});

test('a login of the release before gets the role of its process, and keeps the one that running copies use', async () => {
  const url = newUrl();
  await ensure({ api: url });
  const login = decodeURIComponent(new URL(url).username).replaceAll('"', '""');
  await queryRows(database.url)(`REVOKE sallyport_api FROM "${login}"`);
  await queryRows(database.url)(`GRANT sallyport_app TO "${login}"`);
  await expect(rolesOf(url, 'sallyport_api')).rejects.toMatchObject({ code: '0P000' });
  expect(await ensure({ api: url })).toEqual([]);
  expect(await rolesOf(url, 'sallyport_api')).toBe('sallyport_api');
  await queryRows(url)`SET ROLE sallyport_app`;
});

test('a new password in the URL becomes that of the login', async () => {
  const url = new URL(newUrl());
  await ensure({ api: url.href });
  const before = url.href;
  url.password = 'another';
  expect(await ensure({ api: url.href })).toEqual([]);
  expect(await rolesOf(url.href, 'sallyport_api')).toBe('sallyport_api');
  await expect(queryRows(before)`SELECT 1`).rejects.toMatchObject({ code: '28P01' });
});

test('the login of the owner stays as it is, and without URLs nothing happens', async () => {
  const said: string[] = [];
  expect([await ensure({ api: database.url, worker: undefined }, said), await ensure({})]).toEqual([[], []]);
  expect(said).toEqual([]);
});

test('a login that may not make roles warns, with the statements of a superuser', async () => {
  const own = newUrl();
  await ensure({ api: own });
  const others = { worker: newUrl() };
  const warnings = await ensureProcessLogins(own, others, () => {});
  expect(warnings).toEqual([
    expect.stringMatching(/as a superuser run CREATE ROLE "t'"".* GRANT sallyport_worker, sallyport_log_sealer TO/),
  ]);
  const existing = await ensureProcessLogins(others.worker, {}, () => {});
  expect(existing).toEqual([]);
  // It is there, but in another role.
  expect(await ensureProcessLogins(own, { mcp: own }, () => {})).toEqual([]);
  const second = newUrl();
  await ensure({ mcp: second });
  const [refused] = await ensureProcessLogins(own, { worker: second }, () => {});
  expect(refused).toContain('as a superuser run GRANT sallyport_worker');
});

test('an error other than a refusal is not hidden', async () => {
  const url = new URL(database.url);
  url.username = '%00';
  await expect(ensure({ api: url.href })).rejects.toThrow();
});
