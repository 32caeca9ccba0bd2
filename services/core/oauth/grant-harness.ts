// For tests only: OAuth use-cases on real stores, without HTTP.
import { createHash, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { expect } from 'vitest';
import type { ClientSettings } from '#services/platform/config/clients.ts';
import { guardedFetch } from '#services/platform/http/outbound.ts';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { openPeopleHarness, type PeopleHarness } from '#tools/testing/harness/people.ts';
import { clientCaller, testCaller } from '#tools/testing/harness/ports.ts';
import { type CreateClientInput, createClient } from '../access/create-client.ts';
import type { Caller, RequestContext } from '../ports.ts';
import type { TokenRequestPorts } from './answer-token-request.ts';
import { createClientKeySets } from './assertions/client-key-sets.ts';
import type { AuthorizeStep } from './authorize/authorize-step.ts';
import { decideConsent } from './authorize/decide-consent.ts';
import type { PushPorts } from './authorize/push-authorization-request.ts';
import type { DocumentClientPorts } from './clients/admit-document-client.ts';
import type { ReadDocument } from './clients/read-client-document.ts';
import type { SelfRegisterPorts } from './clients/self-register-client.ts';
import type { DeviceGrantPorts } from './devices/begin-device-grant.ts';
import { createOpenRequests } from './open-requests.ts';

export type GrantPorts = PeopleHarness['deps'] &
  DocumentClientPorts &
  SelfRegisterPorts &
  PushPorts &
  DeviceGrantPorts &
  TokenRequestPorts;

const request: RequestContext = { ip: '203.0.113.9', userAgent: 'test/1', traceId: '', traceparent: '' };
export const anonymousCaller: Caller = { kind: 'anonymous', request };

export const REDIRECT = 'https://app.example.test/cb';
const SCOPES = ['openid', 'profile', 'email'];

export const newVerifier = (): string => randomBytes(32).toString('base64url');
export const challengeOf = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url');

export type GrantClient = {
  readonly clientId: string;
  /** The authenticated client; anonymous for a public client. */
  readonly caller: Caller;
};

type Members = Readonly<Record<string, string>>;

type GrantHarness = Omit<PeopleHarness, 'access'> & {
  readonly ports: GrantPorts;
  /** Responses for client document URLs; tests change them. */
  readonly documents: Map<string, ReadDocument>;
  newUser(): Promise<TestUser>;
  /**
   * Creates a client with a secret, allowed to request codes for `SCOPES` at `REDIRECT`; `changes` replaces its
   * settings.
   */
  newClient(changes?: Partial<CreateClientInput>): Promise<GrantClient>;
  /** Returns the query of an authorization request. @param members replace parameters; '' leaves one out */
  query(client: GrantClient, members?: Members): string;
  /** Returns an authorization code; the user consents to it. */
  codeFor(user: TestUser, client: GrantClient, members?: Members): Promise<string>;
};

type GrantHarnessOptions = { readonly clients?: Partial<ClientSettings>; readonly env?: Members };

/** The parameters of a redirect to the client; empty if the step is a page. */
export const answered = (step: AuthorizeStep): Record<string, string> =>
  step.kind === 'redirect' ? Object.fromEntries(new URL(step.location).searchParams) : {};

/** Runs a statement without triggers, to insert thousands of rows quickly and without audit events. */
export async function unlogged(pool: pg.Pool, text: string, values: readonly unknown[] = []): Promise<void> {
  const connection = await pool.connect();
  try {
    await connection.query('SET session_replication_role = replica');
    await connection.query(text, [...values]);
    await connection.query('RESET session_replication_role');
  } finally {
    connection.release();
  }
}

/** One harness per test file. */
export async function openGrantHarness({ clients, env = {} }: GrantHarnessOptions = {}): Promise<GrantHarness> {
  const documents: GrantHarness['documents'] = new Map();
  const people = await openPeopleHarness({
    env,
    clients: {
      registration: 'open',
      readsDocuments: true,
      documentsPrivate: false,
      logoutPrivate: false,
      scopes: SCOPES,
      audiences: [],
      ...clients,
    },
  });
  const { deps, pool, access } = people;
  const ports: GrantPorts = {
    ...deps,
    openRequests: createOpenRequests(deps),
    clientKeySets: createClientKeySets({ clock: deps.clock, allowsPrivate: true }, guardedFetch),
    grants: [],
    clientDocuments: { read: async (url) => documents.get(url) ?? { kind: 'refused', why: 'it cannot be fetched' } },
  };

  const query: GrantHarness['query'] = ({ clientId }, members = {}) => {
    const all: Members = {
      client_id: clientId,
      redirect_uri: REDIRECT,
      response_type: 'code',
      scope: 'openid email',
      state: 's',
      code_challenge: challengeOf(newVerifier()),
      code_challenge_method: 'S256',
      ...members,
    };
    return new URLSearchParams(Object.entries(all).filter(([, value]) => value !== '')).toString();
  };

  return {
    ...people,
    ports,
    documents,
    query,
    newUser: () => newSignedIn({ ports, stores: { pools: { main: pool } } }),
    async newClient(changes = {}) {
      const grantTypes = ['authorization_code', 'refresh_token'];
      const input = { name: 'Tasks', grant_types: grantTypes, scopes: SCOPES, redirect_uris: [REDIRECT], ...changes };
      const { clientId, clientSecret } = await createClient(ports, input, testCaller);
      await access.load();
      if (clientSecret === null) return { clientId, caller: anonymousCaller };
      return { clientId, caller: { ...clientCaller(clientId), request } };
    },
    async codeFor(user, client, members = {}) {
      const decision = { query: query(client, members), cookie: user.cookie, isAllowed: true, scopes: SCOPES };
      const step = await decideConsent(ports, decision, anonymousCaller);
      const { code = '' } = answered(step);
      expect(code, JSON.stringify(step)).toMatch(/^[\w-]{43}$/);
      return code;
    },
  };
}
