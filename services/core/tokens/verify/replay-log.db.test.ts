import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { newPerson } from '#tools/testing/flows/people.ts';
import { opened } from '#tools/testing/opened.ts';
import { issueClientToken } from '../issue/issue-client-token.ts';
import { issuePair } from '../issue/issue-pair.ts';
import { openIssuingHarness } from '../issuing-harness.ts';
import { createReplayLog } from './replay-log.ts';
import { answerRequest } from './validate-answer.ts';

const harness = opened(() => openIssuingHarness({ VALIDATE_REPLAY_PROTECTION: 'true' }));
let minute = 0;
/** A clock that the test moves. */
const clock = { now: () => minute * 60_000, monotonic: () => performance.now() };

const REFUSED = '{"active":false,"reason":"binding_mismatch"}';
const newLog = (sql = harness.ports.sql) => {
  const { log, hashIdentifier } = harness.ports;
  return createReplayLog({ sql, clock, log, hashIdentifier });
};
/** Presents a token from its first address, then from another; returns the second answer. */
async function replayed(token: string, recordReplay = newLog(), ip = '203.0.113.9'): Promise<string> {
  const ports = { ...harness.ports, recordReplay };
  expect(await answerRequest(ports, { token, context: { ip: '192.0.2.1' } })).toContain('"active":true');
  return answerRequest(ports, { token, context: { ip } });
}
const eventsOf = (tokenIds: readonly unknown[]) =>
  harness.rows`
    SELECT outcome, actor_id, target_id, client_id, detail, ip_hash IS NOT NULL AS "hasAddress" FROM audit_outbox
    WHERE type = 'token.replay_detected' AND target_id = ANY (${tokenIds}) ORDER BY id`;
const idOf = (token: string) => decodeJwt(token).jti as string;

test('a token presented from another address is rejected, and the event has its user, client and the address', async () => {
  const { id, bearer } = await newPerson(harness);
  expect(await replayed(bearer)).toBe(REFUSED);
  expect(await eventsOf([idOf(bearer)])).toEqual([
    {
      outcome: 'replay',
      actor_id: 'replay-protection',
      target_id: idOf(bearer),
      client_id: 'sallyport',
      detail: { user_id: id },
      hasAddress: true,
    },
  ]);
});

test('the event of a client-credentials token has the client as actor', async () => {
  const client = await harness.newClient();
  const { access_token: token } = await issueClientToken(harness.ports, {}, client);
  expect(await replayed(token, newLog(), '203.0.113.10')).toBe(REFUSED);
  expect(await eventsOf([idOf(token)])).toMatchObject([{ client_id: client.clientId, detail: {} }]);
});

test('a flood of replays writes one row for each user and minute, and every replay is rejected', async () => {
  const client = await harness.newClient(['tokens:issue']);
  const [one, other] = [await newPerson(harness), await newPerson(harness)];
  const tokenOf = async (userId: string) => (await issuePair(harness.ports, { userId }, client)).access_token;
  const tokens = await Promise.all(Array.from({ length: 40 }, () => tokenOf(one.id)));
  const log = newLog();
  const answers = await Promise.all(tokens.map((token, n) => replayed(token, log, `203.0.113.${n}`)));
  expect(new Set(answers)).toEqual(new Set([REFUSED]));
  expect(await eventsOf(tokens.map(idOf))).toHaveLength(1);
  const another = await tokenOf(other.id);
  await replayed(another, log);
  expect(await eventsOf([idOf(another)])).toHaveLength(1);
  minute += 1;
  const late = await tokenOf(one.id);
  await replayed(late, log);
  expect(await eventsOf([idOf(late)])).toHaveLength(1);
});

test('a replay that cannot be recorded is rejected too, and the next one is recorded', async () => {
  const { bearer } = await newPerson(harness);
  let isDown = true;
  const sql: typeof harness.ports.sql = {
    query: (statement, values) =>
      isDown ? Promise.reject(new Error('down')) : harness.ports.sql.query(statement, values),
  };
  const log = newLog(sql);
  expect(await replayed(bearer, log)).toBe(REFUSED);
  expect(await eventsOf([idOf(bearer)])).toEqual([]);
  isDown = false;
  expect(await replayed(bearer, log)).toBe(REFUSED);
  expect(await eventsOf([idOf(bearer)])).toHaveLength(1);
});
