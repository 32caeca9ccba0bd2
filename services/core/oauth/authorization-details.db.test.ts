import { decodeJwt } from 'jose';
import { beforeAll, expect, test } from 'vitest';
import { shownDetails } from '#services/pages/shown-details.ts';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import { testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { declarationShape } from '../access/application-shapes.ts';
import { DEVICE_GRANT, TOKEN_EXCHANGE } from '../access/grant-shapes.ts';
import { declareApplication } from '../access/manage-applications.ts';
import { detailsOf } from '../tokens/authorization-details.ts';
import { introspectToken } from '../tokens/verify/introspect-token.ts';
import { answerTokenRequest, type TokenRequest } from './answer-token-request.ts';
import { authorize } from './authorize/authorize.ts';
import { decideConsent } from './authorize/decide-consent.ts';
import { pushAuthorizationRequest } from './authorize/push-authorization-request.ts';
import { listGrantedConsents } from './consents/list-consents.ts';
import { beginDeviceGrant } from './devices/begin-device-grant.ts';
import { answerDeviceGrant, showDeviceGrant } from './devices/decide-device-grant.ts';
import { anonymousCaller, answered, challengeOf, newVerifier, openGrantHarness, REDIRECT } from './grant-harness.ts';

const BANK = 'https://bank.test';
const SHOP = 'https://shop.test';
const string = { type: 'string' };
const value = { type: 'number', minimum: 0 };
const currency = { ...string, enum: ['EUR', 'USD'] };
const money = { type: 'object', properties: { value, currency }, required: ['value'] };
const properties = { amount: money, to: string, locations: { type: 'array', items: string } };
const words = { en: 'pay {amount.value} {amount.currency} to {to}', de: '{amount.value} an {to} zahlen' };
const schema = { type: 'object', properties, required: ['amount', 'to'] };
const payment = { schema, words, bound: ['amount', 'to'] };
const item = { type: 'object', properties: { item: string }, required: ['item'] };
const order = { schema: item, words: { en: 'order {item}', de: '{item} bestellen' }, bound: ['item'] };

const harness = opened(() => openGrantHarness());
const ports = partOf(() => harness.ports);
const user = opened(() => harness.newUser());
const grant_types = ['authorization_code', 'refresh_token', 'client_credentials', DEVICE_GRANT, TOKEN_EXCHANGE];
const settings = { audiences: [BANK, SHOP], authorization_details_types: ['payment', 'order'], grant_types };
const app = opened(() => harness.newClient(settings));
beforeAll(async () => {
  const changing = { ...ports, accessChanged: async () => {}, ownAudiences: [] };
  const declare = (application: string, audience: string, types: object, policies: object[] = []) => {
    const members = { permissions: [], authorization_details: types, signoff_policies: policies };
    const declared = declarationShape.parse({ application, audience, ...members });
    return declareApplication(changing, { ...declared, reason: 'test' }, testCaller);
  };
  await declare('bank', BANK, { payment, wire: { ...order, signoff: true } }, [{ act: 'wire', roles: ['qa'] }]);
  await declare('shop', SHOP, { order });
  await ports.access.load();
});

type Detail = { readonly type: string; readonly [member: string]: unknown };
const pay = (value: number, to = 'Ann'): Detail => ({ type: 'payment', amount: { value, currency: 'EUR' }, to });
const text = (...details: readonly Detail[]): string => JSON.stringify(details);
const verifier = newVerifier();
const asking = (authorization_details: string, members: Record<string, string> = {}) => ({
  authorization_details,
  resource: BANK,
  code_challenge: challengeOf(verifier),
  ...members,
});
const open = (details: string, client = app, by: TestUser = user, members: Record<string, string> = {}) =>
  authorize(ports, { query: harness.query(client, asking(details, members)), cookie: by.cookie }, anonymousCaller);
const ask = (input: Omit<TokenRequest, 'grant_type'> & { readonly grant_type?: string }, client = app) =>
  answerTokenRequest(ports, { grant_type: 'refresh_token', ...input }, client.caller) as Promise<{
    readonly access_token: string;
    readonly refresh_token: string;
    readonly authorization_details?: readonly Detail[];
  }>;
const redeem = (code: string, authorization_details?: string, client = app) =>
  ask(
    { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: REDIRECT, authorization_details },
    client,
  );
const signedIn = async (...details: readonly Detail[]) =>
  redeem(await harness.codeFor(user, app, asking(text(...details))));
const claimed = (token: string) => decodeJwt(token).authorization_details;
const refused = (act: Promise<unknown>, more = {}) =>
  expect(act).rejects.toMatchObject({ code: 'authorization_details_invalid', ...more });
const again = (refresh_token: string, authorization_details: string) => ask({ refresh_token, authorization_details });

test('granted details are in the token, the answer and the introspection, and of no other audience or event', async () => {
  const sorted = [pay(2), pay(5, 'Bob')];
  const { access_token, refresh_token, authorization_details } = await signedIn(pay(5, 'Bob'), pay(2), pay(2));
  expect([claimed(access_token), authorization_details]).toEqual([sorted, sorted]);
  for (const token of [access_token, refresh_token])
    expect(JSON.parse(await introspectToken(ports, token, app.caller)).authorization_details).toEqual(sorted);
  const shop = await harness.newClient({ ...settings, audiences: [SHOP] });
  expect(JSON.parse(await introspectToken(ports, access_token, shop.caller))).toEqual({ active: false });
  const of = `SELECT detail FROM audit_outbox WHERE client_id = $1 AND detail->'detail_types' = '["payment"]'`;
  const events = await harness.rows(of, [app.clientId]);
  expect([events.length, JSON.stringify(events).includes('Bob')]).toEqual([2, false]);
});

test('a refresh gets what was granted, or the part that it names, and never more', async () => {
  const first = await signedIn(pay(1), pay(2));
  const part = await again(first.refresh_token, text(pay(2)));
  expect([claimed(part.access_token), part.authorization_details]).toEqual([[pay(2)], [pay(2)]]);
  for (const wider of [pay(3), pay(1, 'Eve'), { ...pay(1), note: 'x' }, { type: 'order', item: 'tea' }])
    await refused(again(part.refresh_token, text(pay(1), wider)));
  for (const bad of ['[]', '{}', 'null', '[1]', text(pay(1)).replace('"to"', '"to":"Eve","to"')])
    await refused(again(part.refresh_token, bad));
  expect(claimed((await ask({ refresh_token: part.refresh_token })).access_token)).toEqual([pay(1), pay(2)]);
});

test('a detail that the client could not ask for any more is in no new token: taken from the client, declared otherwise, or to be signed off', async () => {
  let { refresh_token } = await signedIn(pay(1));
  const after = async (statement: string, value: unknown) => {
    await harness.rows(statement, [value]);
    await ports.access.load();
    const answer = await ask({ refresh_token });
    refresh_token = answer.refresh_token;
    return claimed(answer.access_token);
  };
  const types = `UPDATE oauth_clients SET authorization_details_types = $1 WHERE name = 'Tasks'`;
  const definition = `UPDATE authorization_detail_types SET definition = definition || $1 WHERE type = 'payment'`;
  expect(await after(types, ['order'])).toBeUndefined();
  expect(await after(types, settings.authorization_details_types)).toEqual([pay(1)]);
  for (const otherwise of [{ signoff: true }, { schema: { ...schema, properties: { ...properties, to: money } } }]) {
    expect(await after(definition, otherwise)).toBeUndefined();
    expect(await after(definition, { schema, signoff: false })).toEqual([pay(1)]);
  }
});

test('a grant without details is answered as before: no token, answer or introspection has the member', async () => {
  const first = await redeem(await harness.codeFor(user, app, asking('')));
  const own = await ask({ grant_type: 'client_credentials', resource: BANK });
  for (const answer of [first, await ask({ refresh_token: first.refresh_token }), own]) {
    const introspected = JSON.parse(await introspectToken(ports, answer.access_token, app.caller));
    expect(introspected.active).toBe(true);
    for (const holder of [answer, decodeJwt(answer.access_token), introspected])
      expect(holder).not.toHaveProperty('authorization_details');
  }
});

test('users see the details that they allowed last in the list of their consents, and no other user sees them', async () => {
  const [client, person] = [await harness.newClient(settings), await harness.newUser()];
  await harness.codeFor(person, client, asking(text(pay(1))));
  await harness.codeFor(person, client, asking(text(pay(3), pay(2, 'Bob'))));
  const listed = ({ id, sessionId }: TestUser) =>
    listGrantedConsents(ports, { limit: 10 }, userCaller(id, { sessionId, by: 'session' }));
  const consent = { client_id: client.clientId, authorization_details: [pay(3), pay(2, 'Bob')] };
  expect((await listed(person)).consents).toMatchObject([consent]);
  expect(JSON.stringify(await listed(user))).not.toContain('Bob');
});

test('a code that is redeemed for other details than were granted stays unused', async () => {
  const code = await harness.codeFor(user, app, asking(text(pay(1), pay(2))));
  await refused(redeem(code, text(pay(3))));
  const { access_token, refresh_token } = await redeem(code, text(pay(2)));
  expect(claimed(access_token)).toEqual([pay(2)]);
  expect(claimed((await ask({ refresh_token })).access_token)).toEqual([pay(1), pay(2)]);
});

test('an exchanged token keeps the details of its audience, or a part, and loses those of another', async () => {
  const { access_token: subject_token } = await signedIn(pay(1), pay(2));
  const subject_token_type = 'urn:ietf:params:oauth:token-type:access_token';
  const subject = { grant_type: TOKEN_EXCHANGE, subject_token, subject_token_type, resource: BANK, scope: 'openid' };
  const exchange = (members: Partial<TokenRequest> = {}, client = app) => ask({ ...subject, ...members }, client);
  expect(claimed((await exchange()).access_token)).toEqual([pay(1), pay(2)]);
  expect(claimed((await exchange({ authorization_details: text(pay(1)) })).access_token)).toEqual([pay(1)]);
  await refused(exchange({ authorization_details: text(pay(3)) }));
  expect(claimed((await exchange({ resource: SHOP })).access_token)).toBeUndefined();
  const unlisted = await harness.newClient({ ...settings, authorization_details_types: ['order'] });
  expect(claimed((await exchange({}, unlisted)).access_token)).toBeUndefined();
});

test('users are asked again for every detail that they did not allow last, also by a client that asks for no consent', async () => {
  const [trusted, person] = [await harness.newClient(settings), await harness.newUser()];
  await harness.rows`UPDATE oauth_clients SET skip_consent = true WHERE "clientId" = ${trusted.clientId}`;
  await ports.access.load();
  expect(await open(text(pay(1)), trusted, person)).toMatchObject({ kind: 'consent' });
  await harness.codeFor(person, trusted, asking(text(pay(1), pay(2))));
  expect(await open(text(pay(2), pay(1)), trusted, person)).toMatchObject({ kind: 'redirect' });
  for (const others of [[pay(1)], [pay(1), pay(2, 'Eve')], [pay(1), pay(2), pay(3)]])
    expect(await open(text(...others), trusted, person)).toMatchObject({ kind: 'consent' });
  expect(await open('', trusted, person)).toMatchObject({ kind: 'redirect' });
  expect(answered(await open(text(pay(9)), trusted, person, { prompt: 'none' })).error).toBe('consent_required');
});

test('a pushed request keeps its details, whatever the browser brings', async () => {
  const form = Object.fromEntries(new URLSearchParams(harness.query(app, asking(text(pay(1))))));
  const { request_uri } = await pushAuthorizationRequest(ports, form, app.caller);
  const forged = { client_id: app.clientId, request_uri, authorization_details: text(pay(999, 'Eve')) };
  const input = { query: new URLSearchParams(forged).toString(), cookie: user.cookie };
  const step = await decideConsent(ports, { ...input, isAllowed: true, scopes: ['openid'] }, anonymousCaller);
  expect(claimed((await redeem(answered(step).code as string)).access_token)).toEqual([pay(1)]);
  const wrong = pushAuthorizationRequest(ports, { ...form, authorization_details: text(pay(-1)) }, app.caller);
  await refused(wrong, { definition: { oauthError: 'invalid_authorization_details' } });
});

test('a device shows its details before the user decides, without characters that deceive, and gets them', async () => {
  const input = { clientId: app.clientId, scope: 'openid', resource: BANK };
  const begin = (authorizationDetails: string) =>
    beginDeviceGrant(ports, { ...input, authorizationDetails }, app.caller);
  await refused(begin(text({ type: 'order', item: 'tea' })));
  const { user_code: userCode, device_code } = await begin(text(pay(7)));
  const seen = { userCode, cookie: user.cookie };
  const step = await showDeviceGrant(ports, seen);
  const details = step.kind === 'confirm' ? detailsOf(step.details) : [];
  expect(shownDetails(ports, details)[0]?.words.en).toBe('pay 7 EUR to Ann');
  const [evil] = shownDetails(ports, [pay(1, `Ann\u202e\u0007\n${'x'.repeat(200)}`)]);
  expect(evil?.words.de).toMatch(/^1 an "Ann\\u202e\\u0007\\n[x]{90,110}… zahlen$/);
  expect(shownDetails(ports, [{ type: 'gone', a: 1 }])[0]?.words.en).toBe('gone');
  await answerDeviceGrant(ports, { ...seen, isAllowed: true }, anonymousCaller);
  await refused(ask({ grant_type: DEVICE_GRANT, device_code, authorization_details: text(pay(8)) }));
  expect(claimed((await ask({ grant_type: DEVICE_GRANT, device_code })).access_token)).toEqual([pay(7)]);
});

test.each([
  ['an unknown type', [{ type: 'loan', amount: 1 }], 'the type loan is not known'],
  ['the sign-off of an act', [{ type: 'sallyport_act', act: 'keys.rotate' }], 'POST /v1/handoff/signoffs'],
  ['a type that people sign off', [{ type: 'wire', item: 'x' }], 'the token with grant_type=client_credentials'],
  ['no type', [{ amount: 1 }], 'must be an object with a type'],
  ['a list as its type', [{ ...pay(1), type: ['payment'] } as never], 'an object with a type'],
  ['a type of another resource', [{ type: 'order', item: 'tea' }], `send resource=${SHOP}`],
  ['another location', [{ ...pay(1), locations: [SHOP] }], 'payment/locations names another resource'],
  ['an unknown member', [{ ...pay(1), note: 'x' }], 'payment has no member note'],
  ['an unknown member inside', [{ ...pay(1), amount: { value: 1, x: 1 } }], 'payment/amount has no member x'],
  ['a member that no error description can name', [{ ...pay(1), 'a"b': 1 }], 'the form that its type declares'],
  ['a missing member', [{ type: 'payment', to: 'Ann' }], 'payment/amount is missing'],
  ['a value of another kind', [{ ...pay(1), to: 5 }], 'payment/to must be a text'],
  ['an unlisted value', [{ ...pay(1), amount: { value: 1, currency: 'GBP' } }], 'is not one of EUR, USD'],
  ['a prototype', [JSON.parse('{"type":"payment","__proto__":{"to":"Eve"}}')], 'payment/to is missing'],
  ['a lone surrogate', [pay(1, '\ud800')], 'not Unicode'],
  ['a NUL', [pay(1, 'a\0b')], 'has a NUL'],
  ['no entry', [], '1 to 10 entries'],
  ['too many', Array.from({ length: 11 }, (_, nth) => pay(nth)), '1 to 10 entries'],
])('refuses details with %s as invalid_authorization_details (RFC 9396 §5)', async (_what, details, why) => {
  const { error, error_description } = answered(await open(JSON.stringify(details)));
  expect([error, error_description]).toEqual(['invalid_authorization_details', expect.stringContaining(why)]);
});

test('a client gets only types that it lists, and none by its own credentials', async () => {
  const other = await harness.newClient({ ...settings, authorization_details_types: ['order'] });
  expect(answered(await open(text(pay(1)), other)).error_description).toContain('may not ask for the type payment');
  await refused(ask({ grant_type: 'client_credentials', resource: BANK, authorization_details: text(pay(1)) }));
});

test('numbers that are equal are the same detail, and texts that only look equal are not', async () => {
  let { refresh_token: token } = await signedIn(pay(0, 'Zo\u00eb'));
  const raw = (value: string, to: string) =>
    `[ {"to":"${to}", "amount":{"currency":"EUR","value":${value}},\n"type":"payment"} ]`;
  for (const same of ['0.0', '0e9', '-0', '1e-999'])
    token = (await again(token, raw(same, same === '-0' ? 'Zo\u00eb' : 'Zo\\u00eb'))).refresh_token;
  for (const other of ['1', '"0"', '9007199254740993', '1e999']) await refused(again(token, raw(other, 'Zo\u00eb')));
  await refused(again(token, raw('0', 'Zoe\u0308')));
});
