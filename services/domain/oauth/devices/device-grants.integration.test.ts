import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ApiCopy } from '../../../platform/testing/api-copy.ts';
import type { TestUser } from '../../../platform/testing/flows/flows.ts';
import { newSignedIn } from '../../../platform/testing/flows/signed-in.ts';
import type { ClientCredentials } from '../../../platform/testing/http-client.ts';
import { callerFrom } from '../../../platform/testing/made/families.ts';
import { overtaken } from '../../../platform/testing/overtaken.ts';
import { createTestPorts } from '../../../platform/testing/ports.ts';
import { type ApiWorld, openApiWorld } from '../../../platform/testing/worlds/api-world.ts';
import { newOAuthClient } from '../../../platform/testing/worlds/oauth-world.ts';
import { DEVICE_GRANT } from '../../access/grant-shapes.ts';
import { beginDeviceGrant, type DeviceGrantAnswer, type DeviceGrantPorts } from './begin-device-grant.ts';
import { answerDeviceGrant, showDeviceGrant } from './decide-device-grant.ts';
import { redeemDeviceCode } from './redeem-device-code.ts';

const caller = callerFrom('192.0.2.1');

let world: ApiWorld;
let api: ApiCopy;
let user: TestUser;
let tv: ClientCredentials;
let ports: ApiCopy['ports'];
beforeAll(async () => {
  world = await openApiWorld();
  api = await world.startCopy({ hashes: false });
  ports = api.ports;
  user = await newSignedIn(api);
  tv = await newOAuthClient([api], 'none', [DEVICE_GRANT]);
});
afterAll(() => world?.close());

const begin = (changes: Partial<DeviceGrantPorts> = {}): Promise<DeviceGrantAnswer> =>
  beginDeviceGrant({ ...ports, ...changes }, { clientId: tv.client_id, scope: undefined, resource: undefined }, caller);
const answer = (userCode: string, isAllowed: boolean) =>
  answerDeviceGrant(ports, { userCode, isAllowed, cookie: user.cookie }, caller);
const redeem = ({ device_code }: DeviceGrantAnswer, changes: Partial<typeof ports> = {}) =>
  redeemDeviceCode(
    { ...ports, ...changes },
    { deviceCode: device_code, client: { clientId: tv.client_id, isAuthenticated: false }, keys: {} },
    caller,
  );

/** Chance that makes these user codes, one letter each, and the last one from then on. */
function chance(...letters: readonly number[]): Pick<DeviceGrantPorts, 'random'> {
  let drawn = 0;
  const bytes = (count: number): Buffer =>
    count === 8 ? Buffer.alloc(8, letters[Math.min(drawn++, letters.length - 1)]) : ports.random.bytes(count);
  return { random: { ...ports.random, bytes } };
}

test('a user code that is taken is drawn again, and whoever draws nothing else is told to come again', async () => {
  expect((await begin(chance(0))).user_code).toBe('BBBB-BBBB');
  expect((await begin(chance(0, 0, 1))).user_code).toBe('CCCC-CCCC');
  await expect(begin(chance(0, 1))).rejects.toMatchObject({ code: 'store_unavailable' });
  const waiting = await world.rows('SELECT user_code FROM oauth_device_grants ORDER BY user_code');
  expect(waiting).toEqual([{ user_code: 'BBBBBBBB' }, { user_code: 'CCCCCCCC' }]);
});

test('what cannot be a user code is unknown like one that nobody has', async () => {
  const shown = (userCode: string) => showDeviceGrant(ports, { userCode, cookie: user.cookie });
  for (const typed of ['AEIO-UAEI', 'short', 'ZZZZ-ZZZZ'])
    expect(await shown(typed)).toMatchObject({ kind: 'ask-code', isUnknown: true });
  expect(await shown('')).toMatchObject({ kind: 'ask-code', isUnknown: false });
});

test('the first decision stands: an answer that comes second allows nothing and is in no log', async () => {
  const grant = await begin();
  const code = grant.user_code.replace('-', '');
  const denied = `UPDATE oauth_device_grants SET status = 'denied', user_id = $1 WHERE user_code = '${code}'`;
  const step = await overtaken(api.stores.pools.main, user.id, denied, () => answer(grant.user_code, true));
  expect(step).toMatchObject({ kind: 'ask-code', isUnknown: true });
  await expect(redeem(grant)).rejects.toMatchObject({ code: 'device_grant_denied' });
  const decided = `SELECT 1 FROM audit_outbox WHERE type = 'oauth.device_decided' AND client_id = $1`;
  expect(await world.rows(decided, [tv.client_id])).toEqual([]);
});

test('a database out of reach ends no grant: the device is told to come again, and then has its login', async () => {
  const grant = await begin();
  expect(await answer(grant.user_code, true)).toEqual({ kind: 'done', isAllowed: true });
  const gone = createTestPorts(world.databaseUrl);
  await gone.end();
  await expect(redeem(grant, { transact: gone.transact })).rejects.toMatchObject({ code: 'store_unavailable' });
  expect(await redeem(grant)).toMatchObject({ token_type: 'Bearer' });
});
