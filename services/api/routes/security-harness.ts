// For tests only: two copies of the API, their log and detections; requests come from the address that a test gives.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { admitSignIn, countSignInFailure } from '#services/core/identity/sign-in/sign-in-guard.ts';
import { detectIncidents } from '#services/core/security/detect-incidents.ts';
import { type ApiCopy, type ApiCopyOptions, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { sealerOf } from '#tools/testing/harness/log.ts';
import { callerAt, testCaller } from '#tools/testing/harness/ports.ts';
import { type ClientCredentials, type Json, type Received, type Sent, send } from '#tools/testing/http-client.ts';

type Login = { readonly email: string; readonly password: string };

export type SecurityHarness = ApiHarness & {
  readonly api: ApiCopy;
  readonly other: ApiCopy;
  /** A client that may read and manage incidents, unlock accounts, and read the log. */
  readonly operator: ClientCredentials;
  seal(): Promise<unknown>;
  /** Seals all events and runs the detections as two concurrent workers do; returns the number of incidents. */
  detect(): Promise<number>;
  get(path: string, basic?: ClientCredentials): Promise<Received>;
  post(path: string, json: unknown, basic?: ClientCredentials): Promise<Received>;
  incidentsOf(subject: string): Promise<Json[]>;
  /** One wrong password, without the time of a hash. */
  failFrom(ip: string, email: string): Promise<void>;
  signInFrom(login: Login, ip: string, agent: string, sent?: Sent): Promise<Received>;
};

/** The request as our own proxy forwards a browser's. */
export const from = (ip: string, agent: string) => ({ 'x-forwarded-for': ip, 'user-agent': agent });

const never = { signal: new AbortController().signal };

export async function openSecurityHarness(env: ApiCopyOptions['env'] = {}): Promise<SecurityHarness> {
  const logDir = mkdtempSync(join(tmpdir(), 'sallyport-security-'));
  const harness = await openApiHarness();
  const settings = {
    TRUSTED_PROXIES: 'loopback',
    RATE_LIMIT_PROFILE: 'default',
    RATE_LIMIT_CREDENTIAL_PER_MINUTE: '10000',
    ...env,
  };
  const api = await harness.startCopy({ env: settings });
  const other = await harness.startCopy({ env: settings });
  const operator = await harness.newClient(['incidents:read', 'incidents:manage', 'users:unlock', 'audit:read']);
  const seal = sealerOf(api.ports, harness.owner, logDir);
  const get = (path: string, basic = operator): Promise<Received> => send(api.url, 'GET', path, { basic });
  return {
    ...harness,
    api,
    other,
    operator,
    seal,
    detect: async () => {
      await seal();
      const runs = await Promise.all(
        [api, other].map(({ workerPorts }) => detectIncidents(workerPorts, never, testCaller)),
      );
      return runs.reduce((total, { sightings }) => total + sightings, 0);
    },
    get,
    post: (path, json, basic = operator) => send(other.url, 'POST', path, { basic, json }),
    incidentsOf: async (subject) =>
      (await get(`/v1/admin/incidents?subject=${encodeURIComponent(subject)}`)).body.incidents,
    failFrom: async (ip, email) => {
      const caller = callerAt(ip);
      const admitted = await admitSignIn(api.ports, { email }, caller);
      await api.ports.transact((tx) => countSignInFailure(tx, admitted, undefined, caller));
    },
    signInFrom: ({ email, password }, ip, agent, sent = {}) =>
      send(api.url, 'POST', '/api/auth/signin', { json: { email, password }, headers: from(ip, agent), ...sent }),
    close: async () => {
      await harness.close();
      rmSync(logDir, { recursive: true, force: true });
    },
  };
}
