import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { decodeJwt } from 'jose';
import { newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { listening } from '#tools/testing/listening.ts';
import { type Gate, gateOf } from '../../gates.ts';
import { type Answer, basicOf, type Request } from '../../http.ts';
import { count, isLost, type Ledger, recordTokens, revocationsOfFamily, type TokenFamily } from '../../ledger.ts';
import { IDENTITY_PROVIDER, PRODUCT_URL } from '../../settings.ts';
import type { ChaosStores } from '../../stores.ts';
import { alone, attempt, type Clients, isCreated, isOk, post, REASON, type User } from '../clients.ts';
import { refresh, signIn } from '../tokens.ts';
import { type Kept, type Look, look, type Surface, toldWrongly } from './surface.ts';

const audience = 'https://bank.chaos.test';
const [DEVICE, JWT_BEARER] = ['device_code', 'jwt-bearer'].map((name) => `urn:ietf:params:oauth:grant-type:${name}`);

type Details = readonly { readonly type: string; readonly to: string }[];
const schema = { type: 'object', properties: { to: { type: 'string' } }, required: ['to'] };
const transfer = { schema, words: { en: 'transfer to {to}', de: 'Überweisung an {to}' }, bound: ['to'] };

/** What an answer and its token say, if that is not what is due. @param due none: the request has to be refused */
export function wrongDetails(due: Details | undefined, { status, body }: Pick<Answer, 'status' | 'body'>): unknown {
  if (status !== 200 || body.active === false) return undefined;
  const holders = body.access_token === undefined ? [body] : [body, decodeJwt(body.access_token)];
  const told = holders.map(({ authorization_details: details = null }) => details);
  return due && told.every((each) => isDeepStrictEqual(each, due)) ? undefined : { due, told };
}

type Sent = Awaited<ReturnType<typeof attempt>>;
/** By the `jti` of the assertion, what each client that sent it was told in the end. */
type Redemptions = ReadonlyMap<string, readonly Sent[]>;
type Redeemed = { readonly trace: string; readonly token: string };
const REDEEMED = `SELECT trace_id AS trace, detail ->> 'of' AS token FROM audit_events
  WHERE type = 'oauth.identity_asserted' AND outcome = 'redeemed'`;

/** Clients and the log know one access token of an assertion. Both copies refuse only one that has given a token. */
export function redeemedOnce(ledger: Pick<Ledger, 'rewinds'>, all: Redemptions, log: readonly Redeemed[]): Gate {
  const isKept = ({ act, answer }: Sent) => !isLost(ledger, act.sentAtMs) && !isLost(ledger, answer.answeredAtMs);
  const facts = [...all].filter(([, sent]) => sent.every(isKept));
  return gateOf('grants: an assertion gives one access token', facts, ([id, sent]) => {
    const traces = new Set(sent.flatMap(({ act }) => act.attempts.map(({ traceId }) => traceId)));
    const told = sent.flatMap(({ answer }) => (isOk(answer) ? decodeJwt(answer.body.access_token).jti : []));
    const tokens = new Set([...told, ...log.filter(({ trace }) => traces.has(trace)).map(({ token }) => token)]);
    if (tokens.size > 1) return { text: `assertion ${id} gave several access tokens: ${[...tokens].join(', ')}` };
    const refusing = new Set(sent.map(({ answer: { status, copy } }) => status === 400 && copy));
    if (tokens.size > 0 || refusing.size < 2 || refusing.has(false)) return undefined;
    return { text: `assertion ${id} gave no access token, and both copies refused it` };
  });
}

/** A client gets details that a user allows on a device, and redeems assertions about the user by another server. */
export function createGrants(clients: Clients, query: ChaosStores['query']): Surface {
  const { ledger, random, authorization } = clients;
  const [looks, redemptions] = [[] as Look[], new Map<string, Sent[]>()];
  const [sub, server] = [randomUUID(), newAssertionMaker()];
  const grants: { readonly family: TokenFamily; readonly details: Details }[] = [];
  let client = { client_id: '', client_secret: '' };
  let user: User | undefined;

  const newDetails = () => ['a', 'b'].map((to) => ({ to: `${to}-${random.between(0, 1e9)}`, type: 'transfer' }));
  const send = (path: string, form: object, details?: Details): Request => {
    const asked = details && { authorization_details: JSON.stringify(details) };
    return { path, json: undefined, form: { ...form, ...asked }, headers: { authorization: basicOf(client) } };
  };
  const ask = (kind: string, request: Request, copy?: Answer['copy']) =>
    attempt(clients, { kind, events: [] }, () => request, isOk, copy);
  const looked = (request: Request, due?: Details) => look(clients, looks, request, (each) => wrongDetails(due, each));
  /** Looks at a token that was given, and what a copy says of it. */
  async function given(kind: string, answer: Answer, due: Details): Promise<void> {
    const { sentAtMs, answeredAtMs: ackedAtMs, body } = answer;
    if (!isOk(answer)) return;
    looks.push({ answer, wrong: wrongDetails(due, answer) });
    ledger.entries.push({ surface: 'grants', kind, key: `${decodeJwt(body.access_token).fid}`, sentAtMs, ackedAtMs });
    count(ledger, kind);
    await looked(send('/oauth2/introspect', { token: body.access_token }), due);
  }

  /** A device asks, the user allows, and the device gets its tokens. */
  async function allow(person: User): Promise<unknown> {
    const details = newDetails();
    const begin = send('/oauth2/device_authorization', { scope: 'openid', resource: audience }, details);
    const { user_code, device_code } = (await ask('begin of a device grant', begin)).answer.body ?? {};
    const [path, headers] = [`/device?user_code=${user_code}`, { cookie: person.cookie, origin: PRODUCT_URL }];
    const { answer: page } = await ask('page of a device', { method: 'GET', path, headers, isPage: true });
    const [, form_token] = /name="form_token" value="([^"]+)"/.exec(page.body) ?? [];
    // A loss of the database ended the session.
    if (form_token === undefined) return signIn(clients, person);
    const [form, cookie] = [{ form_token, user_code, decision: 'allow' }, `${person.cookie}; ${page.cookie}`];
    await ask('decision on a device', { path: '/device', form, headers: { ...headers, cookie }, isPage: true });
    const { answer } = await ask('device grant', send('/oauth2/token', { grant_type: DEVICE, device_code }));
    if (isOk(answer)) grants.push({ family: recordTokens(ledger, answer.body).family, details });
    return given('device grant', answer, details);
  }

  /** Asks for more than was granted, then for all by no parameter, or for a part. */
  async function renew(): Promise<void> {
    const isLive = (family: TokenFamily) => !family.isAbandoned && revocationsOfFamily(ledger, family).length === 0;
    const { family, details = [] } = random.pick(grants.filter((each) => isLive(each.family))) ?? {};
    if (!family) return;
    const request = (asked?: Details): Request =>
      send('/oauth2/token', { grant_type: 'refresh_token', refresh_token: family.refreshToken }, asked);
    const wider = random.pick([newDetails(), [...details, ...newDetails()]]);
    await alone(family, () => looked(request(wider)));
    const part = random.pick([undefined, details.slice(0, 1), details.slice(1)]);
    const answer = await refresh(clients, family, request(part));
    if (answer) await given('refresh of a grant', answer, part ?? details);
  }

  /** Four clients send one assertion at once, each until a copy has decided. */
  async function redeem(): Promise<void> {
    const [jti, details] = [randomUUID(), newDetails()];
    const part = random.pick([undefined, details.slice(1)]);
    // Clients are patient for a minute.
    const exp = Math.floor(Date.now() / 1_000) + 240;
    const about = { iss: IDENTITY_PROVIDER, sub, client_id: client.client_id, jti, exp, scope: 'openid' };
    const claims = { ...about, resource: audience, authorization_details: details };
    const assertion = await server.assertion('', PRODUCT_URL, { header: { typ: 'oauth-id-jag+jwt' }, claims });
    const request = send('/oauth2/token', { grant_type: JWT_BEARER, assertion }, part);
    const sent = await Promise.all((['A', 'B', 'A', 'B'] as const).map((copy) => ask('redemption', request, copy)));
    redemptions.set(jti, sent);
    await Promise.all(sent.map(({ answer }) => given('redemption', answer, part ?? details)));
  }

  const acts = [
    [0.15, () => alone(user, allow)],
    [1, renew],
    [0.3, redeem],
  ] as const;
  async function everything(): Promise<void> {
    for (const [, act] of acts) await act();
  }
  const FAMILIES = 'SELECT id::text AS key FROM refresh_families WHERE authorization_details IS NOT NULL';
  return {
    ...{ name: 'grants', hasUsables: false, acts },
    rows: { 'device grant': FAMILIES, 'refresh of a grant': FAMILIES, redemption: FAMILIES },
    prepare: async () => {
      const keys = JSON.stringify({ keys: [server.jwk] });
      const { url } = await listening(createServer((_, response) => response.end(keys)));
      const made = async ({ isDone = isCreated, ...what }: Kept, path: string, json: object) => {
        const request = post(authorization, `/v1/admin/${path}`, { ...json, reason: REASON });
        const { answer } = await attempt(clients, what, () => request, isDone);
        if (!isDone(answer)) throw new Error(`${what.kind}: ${JSON.stringify(answer)}`);
        return answer.body;
      };
      const declares = { kind: 'declaration of an application', events: ['application.declared'], isDone: isOk };
      const declared = { application: 'bank', audience, permissions: [], authorization_details: { transfer } };
      await made(declares, 'applications', declared);
      const accepts = [{ issuer: IDENTITY_PROVIDER, jwks_uri: `${url}/keys`, provider: 'work' }];
      client = await made({ kind: 'client of grants', events: ['client.created'] }, 'clients', {
        ...{ name: 'Grants', scopes: ['openid'], audiences: [audience], identity_assertions: { accepts } },
        ...{ grant_types: [DEVICE, JWT_BEARER, 'refresh_token'], authorization_details_types: ['transfer'] },
        credential_scopes: ['tokens:introspect'],
      });
      user = await clients.newUser();
      const link = `INSERT INTO accounts (id, "userId", "providerId", "accountId") VALUES ($1, $2, 'work', $1)`;
      await query(link, [sub, user.id]);
      // Copies learn of the client.
      await sleep(2_000);
      await everything();
    },
    settle: () => signIn(clients, user!).then(everything),
    gates: async (read) => [
      redeemedOnce(ledger, redemptions, await read<Redeemed>(REDEEMED)),
      toldWrongly('grants: a token has the details that were granted, or the part that was asked for', looks),
    ],
  };
}
