import { randomBytes, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { newPerson, pairOf } from '#tools/testing/flows/people.ts';
import { type ApiCopy, openApiHarness } from '#tools/testing/harness/api.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';

/**
 * Endpoints that require a recent sign-in (ASVS 7.5.1), by the route table: every action by a permission, and these.
 */

/** Dangerous to the caller's own account. */
const OF_ONES_OWN = `changeEmail changePassword confirmTotp createApiKey deleteOwnUser deleteUserAlias enrolTotp
  generateBackupCodes linkSocial prepareClientPasskey preparePasskey registerClientPasskey
  registerPasskey removeClientPasskey removePasskey removeTotp renewRecoveryCodes rotateApiKey
  unlinkAccount`.split(/\s+/);
/** Of wings. `readExport` reads the health data of a person at level high, as its request does. */
const OF_WINGS = ['limitOwnAgent', 'readExport'];
/** Needs no permission for the caller's own resources and one for other users': the use-case decides which applies. */
const OF_OTHERS = ['issueTokens', 'revokeToken'];
/**
 * Needs a permission and is not dangerous: it changes no permissions, sessions or keys, and hides nothing. At level
 * `high` the use-case of decryptPhi itself requires a recent sign-in. A sign-off changes nothing until people approve it. A
 * report of a monitoring system is sent to people.
 */
const HARMLESS = `introspectToken rehearseImport selfRegisterClient encryptPhi decryptPhi validateDataAccess
  logPhiAccess recordDisclosure recordUserConsent withdrawUserConsent requestReport requestSecurityReport
  requestSignOff requestBackchannel startSignOff finishSignOff receiveAlertmanager deleteStream updateStreamStatus addStreamSubject
  removeStreamSubject verifyStream pollStream`.split(/\s+/);

const HOUR = 3_600;
let production: ApiCopy;

const harness = opened(openApiHarness);
const sealed = { KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64') };
const copy = opened(() => harness.startCopy({ hashes: false, env: sealed }));
const env = { ...sealed, SALLYPORT_PROFILE: 'production', RATE_LIMIT_PROFILE: 'default', MFA_REQUIRED_ROLES: 'none' };
beforeAll(async () => {
  production = await harness.startCopy({
    hashes: false,
    env: { ...env, BETTER_AUTH_URL: 'https://auth.example.test' },
  });
});
const admin = opened(() => newPerson(copy, ['admin']));

/** A two-factor token from a sign-in of that age. */
async function tokenOf(of: ApiCopy, secondsAgo: number, acr: 'aal1' | 'aal2' = 'aal2'): Promise<string> {
  await harness.rows`UPDATE sessions SET acr = ${acr} WHERE id = ${admin.sessionId}`;
  const { bearer } = await pairOf(of, admin, Math.floor(Date.now() / 1_000) - secondsAgo);
  expect(claimsIn(bearer).acr).toBe(acr);
  return bearer;
}

const dangerous = (): Endpoint[] => copy.bound.filter(({ auth }) => auth !== 'public' && auth.stepUp !== undefined);
const isDoneByPermission = ({ method, auth }: Endpoint): boolean =>
  auth !== 'public' && auth.permission !== undefined && method !== 'GET';

describe('step-up', () => {
  test('is required by every route that changes something by a permission, and by actions dangerous to the caller’s own account', () => {
    const byPermission = copy.bound.filter(isDoneByPermission).map(({ operation }) => operation);
    const expected = [
      ...byPermission.filter((operation) => !HARMLESS.includes(operation)),
      ...OF_ONES_OWN,
      ...OF_OTHERS,
      ...(hasWings ? OF_WINGS : []),
    ];
    expect(byPermission.length).toBeGreaterThan(hasWings ? 20 : 10);
    expect(
      dangerous()
        .map(({ operation }) => operation)
        .sort(),
    ).toEqual(expected.sort());
  });

  test('an old sign-in may end the caller’s own sessions and tokens, and a client is never asked for one', async () => {
    const old = await tokenOf(copy, HOUR);
    const json = { token: old, reason: 'done' };
    expect((await send(copy.url, 'POST', '/v1/tokens/revoke', { bearer: old, json })).status).toBe(200);
    const basic = await harness.newClient(['tokens:issue', 'tokens:revoke']);
    const { id } = await newPerson(copy);
    expect((await send(copy.url, 'POST', '/v1/tokens', { basic, json: { user_id: id } })).status).toBe(201);
  });

  test('in production a permission requires a two-factor sign-in, however recent', async () => {
    const [one, two] = [await tokenOf(production, 0, 'aal1'), await tokenOf(production, 0, 'aal2')];
    const [incident] = await harness.rows`INSERT INTO incidents (id, detection, severity, subject_kind, subject_id)
      VALUES (gen_random_uuid(), 'token_replay', 'high', 'installation', 'sallyport') RETURNING id`;
    const acts = [
      ['POST', '/v1/admin/roles', { name: `r-${randomUUID()}`, description: 'x', permissions: [], reason: 'x' }, 201],
      ['POST', '/v1/tokens', { user_id: (await newPerson(production)).id }, 201],
      ['POST', `/v1/admin/incidents/${incident.id}/acknowledge`, { reason: 'x' }, 200],
      ['POST', `/v1/admin/incidents/${incident.id}/close`, { reason: 'x' }, 200],
    ] as const;
    for (const [method, path, json, status] of acts) {
      const refused = await send(production.url, method, path, { bearer: one, json });
      expectProblem(refused, 403, 'step_up_required');
      expect(refused.headers.get('www-authenticate')).toContain('acr_values="aal2", max_age=');
      expect((await send(production.url, method, path, { bearer: two, json })).status).toBe(status);
    }
  });
});
