// For tests only: every kind of caller with given permissions, each with real credentials.
import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { TOKEN_EXCHANGE } from '#services/core/access/grant-shapes.ts';
import { mintAccessToken } from '#services/core/tokens/access-token.ts';
import { createFamily, type NewFamily } from '#services/core/tokens/refresh/create-family.ts';
import { familyTokenFacts } from '#services/core/tokens/refresh/family-token.ts';
import { registerAgent } from '#services/wings/agents/register-agent.ts';
import { API_URL, type ApiCopy, type ApiHarness, newClient } from '../harness/api.ts';
import { testCaller } from '../harness/ports.ts';
import { basicHeader, type ClientCredentials, type Received, send } from '../http-client.ts';
import { newEmail } from './flows.ts';
import { pairOf } from './people.ts';
import { insertPerson, openSessionFor, TWO_FACTORS } from './signed-in.ts';

/** Headers that authenticate a caller. */
export type Credential = Readonly<Record<string, string>>;
/** A credential of each kind of caller. */
export type Callers = Awaited<ReturnType<typeof newCallers>>;

const IDENTITY = ['openid', 'profile', 'email', 'offline_access'];
/** Longer than a sign-in stays recent. */
const OLD_SECONDS = 7_200;
const reason = 'test';

const bearer = (token: string): Credential => ({ authorization: `Bearer ${token}` });
const byCookie = (cookie: string): Credential => ({ cookie, origin: API_URL });

function made(received: Received, status: number): Received['body'] {
  if (received.status !== status) throw new Error(`${received.status}: ${received.text}`);
  return received.body;
}

/** Does work again that a busy machine gave up. The work leaves nothing half done that another try would meet. */
export async function patiently<T>(work: () => Promise<T>, tries = 10): Promise<T> {
  try {
    return await work();
  } catch (err) {
    if (tries === 1) throw err;
    await setTimeout(500);
    return patiently(work, tries - 1);
  }
}

/** A role with these permissions for each list. Every copy knows them after its next load. */
export async function insertRoles(
  { rows }: ApiHarness,
  lists: readonly (readonly string[])[],
): Promise<readonly string[]> {
  const roles = lists.map(() => `matrix-${randomUUID()}`);
  for (const [index, role] of roles.entries()) {
    await rows`INSERT INTO roles (name, description) VALUES (${role}, 'test')`;
    await rows`INSERT INTO role_permissions (role, permission) SELECT ${role}, unnest(${lists[index]}::text[])`;
  }
  return roles;
}

/** A user of that role, signed in with two factors just now. */
export async function newSignedInUser(copy: ApiCopy, { rows }: ApiHarness, role: string | null = null) {
  const id = await insertPerson(copy, newEmail());
  if (role !== null) await rows`INSERT INTO user_roles (user_id, role) VALUES (${id}, ${role})`;
  const { sessionId, cookie, tokens } = await openSessionFor(copy, id, TWO_FACTORS);
  return { id, sessionId, cookie, token: tokens.access_token };
}

type CallersOptions = {
  readonly role: string | null;
  readonly permissions: readonly string[];
  readonly audience?: string;
  /** Scopes that users grant besides those of their identity. */
  readonly granted?: readonly string[];
};
type SignedIn = Awaited<ReturnType<typeof newSignedInUser>>;

/** A token that the user has just given to a client. */
export async function tokenAt(
  { ports }: ApiCopy,
  { id: userId, sessionId }: Pick<SignedIn, 'id' | 'sessionId'>,
  terms: Pick<NewFamily, 'client_id' | 'scope' | 'audience'>,
): Promise<string> {
  const authTime = Math.floor(Date.now() / 1_000);
  const family = { ...terms, user_id: userId, session_id: sessionId, is_client_bound: true, auth_time: authTime };
  const created = await ports.transact((tx) => createFamily(tx, ports, family, testCaller));
  const facts = familyTokenFacts(ports.access, { ...family, ...created });
  return (await mintAccessToken(ports, facts, testCaller.request)).token;
}

/**
 * Callers of every kind: users of the role, and clients and agents with its permissions. Clients and agents hold tokens
 * for `audience`, their own and those of users; those of the first-party client are for the API.
 */
export async function newCallers(
  copy: ApiCopy,
  harness: ApiHarness,
  { role, permissions, audience = API_URL, granted = [] }: CallersOptions,
) {
  const user = await newSignedInUser(copy, harness, role);
  const aged = await newSignedInUser(copy, harness, role);
  const scopes = [...IDENTITY, ...granted, ...permissions];
  const other = await newClient(copy, permissions, scopes);
  const client = { client_id: other.clientId, client_secret: other.clientSecret };
  const registered = await registerAgent(
    copy.ports,
    {
      name: 'agent',
      owner_id: user.id,
      auth_method: 'client_secret_basic',
      scopes,
      credential_scopes: [...permissions],
      audiences: ['*'],
      dpop_bound_access_tokens: false,
      capabilities: [],
      heartbeat_seconds: 60,
      expires_in_days: 1,
      reason,
    },
    testCaller,
  );
  const agent = { client_id: registered.agent_id, client_secret: registered.client_secret as string };
  const given = { client_id: client.client_id, scope: scopes.join(' ') };
  const askToken = async (basic: ClientCredentials, form: Record<string, string>): Promise<Credential> =>
    bearer(made(await send(copy.url, 'POST', '/oauth2/token', { basic, form }), 200).access_token);
  const keyOf = async (headers: Credential): Promise<Credential> => {
    const json = { name: 'matrix', permissions };
    return bearer(made(await send(copy.url, 'POST', '/v1/api-keys', { headers, json }), 201).secret);
  };
  const [clientSecret, agentSecret] = [client, agent].map((each) => ({ authorization: basicHeader(each) }));
  const exchange = {
    grant_type: TOKEN_EXCHANGE,
    resource: audience,
    subject_token: await tokenAt(copy, user, { ...given, audience: API_URL }),
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  };
  const old = await pairOf(copy, aged, Math.floor(Date.now() / 1_000) - OLD_SECONDS);
  const [session] = await harness.rows`UPDATE sessions SET "createdAt" = now() - make_interval(secs => ${OLD_SECONDS})
    WHERE id = ${aged.sessionId} RETURNING token`;
  await copy.ports.auth.forget(session.token);
  const credentials = { grant_type: 'client_credentials', resource: audience };
  return {
    anonymous: {},
    userBySession: byCookie(user.cookie),
    userByToken: bearer(user.token),
    userByOtherClient: bearer(await tokenAt(copy, user, { ...given, audience })),
    userByKey: await keyOf(bearer(user.token)),
    clientBySecret: clientSecret as Credential,
    clientByToken: await askToken(client, credentials),
    clientByKey: await keyOf(clientSecret as Credential),
    agentBySecret: agentSecret as Credential,
    agentByToken: await askToken(agent, credentials),
    agentByKey: await keyOf(agentSecret as Credential),
    agentForOwner: await askToken(agent, exchange),
    staleSession: byCookie(aged.cookie),
    staleToken: bearer(old.bearer),
  };
}
