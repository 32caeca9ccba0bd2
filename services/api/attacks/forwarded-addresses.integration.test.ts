import { randomInt } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { type Received, requestText, send, sendBytes } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const LIMIT = 4;
/** A second proxy, which forwards to the one that connects. */
const OUTER_PROXY = '198.51.100.9';

const harness = opened(openApiHarness);
const env = { RATE_LIMIT_PROFILE: 'default', RATE_LIMIT_ADDRESS_PER_MINUTE: String(LIMIT) };
const TRUSTED_PROXIES = `127.0.0.1,${OUTER_PROXY}`;
/** Behind proxies that it trusts. */
const behind = opened(() => harness.startCopy({ env: { ...env, TRUSTED_PROXIES } }));
// Its limits are out of the way, but not those of wrong passwords.
const unlimited = { RATE_LIMIT_ADDRESS_PER_MINUTE: '100000', RATE_LIMIT_CREDENTIAL_PER_MINUTE: '100000' };
/** Reached by clients themselves. */
const direct = opened(() => harness.startCopy({ env: { RATE_LIMIT_PROFILE: 'default', ...unlimited } }));

const byte = (): number => randomInt(1, 255);
const anyIpv4 = (): string => `10.${byte()}.${byte()}.${byte()}`;
const group = (): string => randomInt(0x1000, 0x10000).toString(16);
const anyPrefix = (): string => `2001:db8:${group()}:${group()}`;
const hexOf = (address: string): string => {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
};

const from = (forwarded: string, copy = behind): Promise<Received> =>
  send(copy.url, 'GET', '/docs', { headers: { 'x-forwarded-for': forwarded } });
/** Statuses of one request from each of these. */
async function statuses(forwarded: readonly string[]): Promise<number[]> {
  const answers = [];
  for (const value of forwarded) answers.push((await from(value)).status);
  return answers;
}
/** What one client gets that is at its limit after `LIMIT` requests. */
const asOneClient = (requests: number): number[] => Array.from({ length: requests }, (_, n) => (n < LIMIT ? 200 : 429));

describe('a client behind a trusted proxy', () => {
  test('has one limit, however its IPv4 address is written', async () => {
    const address = anyIpv4();
    const spellings = [
      address,
      `::ffff:${address}`,
      `::FFFF:${address}`,
      `0:0:0:0:0:ffff:${address}`,
      `::ffff:${hexOf(address)}`,
      `0000:0000:0000:0000:0000:ffff:${hexOf(address)}`,
    ];
    expect(await statuses(spellings)).toEqual(asOneClient(spellings.length));
    expect((await from(`::ffff:${anyIpv4()}`)).status).toBe(200);
  });

  test('has one limit with its whole IPv6 /64, and no other /64 has any of it', async () => {
    const prefix = anyPrefix();
    const own = [`${prefix}::1`, `${prefix.toUpperCase()}::2`, `${prefix}:a:b:c:d`, `${prefix}:0:0:0:3`, `${prefix}::`];
    expect(await statuses(own)).toEqual(asOneClient(own.length));
    const last = prefix.lastIndexOf(':') + 1;
    const neighbour = ((Number.parseInt(prefix.slice(last), 16) + 1) & 0xffff).toString(16);
    expect((await from(`${prefix.slice(0, last)}${neighbour}::1`)).status).toBe(200);
  });

  test('cannot put an address before its own: the right-most that is no proxy counts', async () => {
    const address = anyIpv4();
    const claims = [
      `${anyIpv4()}, ${address}`,
      `${anyIpv4()}, ${anyIpv4()}, ${address}`,
      `127.0.0.1, ${address}`,
      `${OUTER_PROXY}, ${address}`,
      `${anyIpv4()}, ${address}, ${OUTER_PROXY}`,
      `unknown, ${address}`,
      `, ${address}`,
    ];
    expect(await statuses(claims)).toEqual(asOneClient(claims.length));
  });

  test('cannot do so by a header line of its own either', async () => {
    const address = anyIpv4();
    const answers = [];
    for (let n = 0; n <= LIMIT; n += 1) {
      const lines = [`X-Forwarded-For: ${anyIpv4()}`, `X-Forwarded-For: ${address}`, `X-Real-IP: ${anyIpv4()}`];
      answers.push((await sendBytes(behind.url, requestText('GET', '/docs', lines)))?.status);
    }
    expect(answers).toEqual(asOneClient(LIMIT + 1));
  });
});

describe('a client that connects itself', () => {
  const signIn = (forwarded?: string, copy = direct): Promise<Received> =>
    send(copy.url, 'POST', '/api/auth/signin', {
      json: { email: newEmail(), password: newPassword() },
      headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded, 'x-real-ip': forwarded },
    });
  const hashes = async (): Promise<string[]> =>
    (await harness.rows`SELECT ip_hash FROM audit_outbox WHERE type = 'user.login' ORDER BY id`).map(
      ({ ip_hash }) => ip_hash,
    );

  test('is one network to the lockout and one address to the audit log, whatever headers it invents', async () => {
    const most = async (): Promise<number> =>
      (await harness.rows`SELECT coalesce(max(failures), 0)::int AS most FROM login_failures`)[0]?.most;
    const before = await most();
    expect((await signIn()).status).toBe(401);
    const invented = [anyIpv4(), `${anyPrefix()}::1`, '127.0.0.1', `${anyIpv4()}, ${anyIpv4()}`];
    for (const forwarded of invented) expect((await signIn(forwarded)).status).toBe(401);
    // Each attempt was for another account: only the network has failed as often.
    expect(await most()).toBe(before + invented.length + 1);
    expect(new Set(await hashes()).size).toBe(1);
  });

  test('behind a proxy the audit log has one hash for an address, IPv4-mapped or not', async () => {
    const address = anyIpv4();
    const before = (await hashes()).length;
    for (const forwarded of [address, `::ffff:${address}`, `${anyIpv4()}, ${address}`])
      expect((await signIn(forwarded, behind)).status).toBe(401);
    const own = (await hashes()).slice(before);
    expect([own.length, new Set(own).size]).toEqual([3, 1]);
    await signIn(anyIpv4(), behind);
    expect(new Set((await hashes()).slice(before)).size).toBe(2);
  });
});
