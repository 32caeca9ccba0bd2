// For tests only: a user with one of everything that a user can own, and ids of the same names that nothing has.
import { randomUUID } from 'node:crypto';
import { createApiKeyFor } from '#services/core/api-keys/create-api-key.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { registerAgent } from '#services/wings/agents/register-agent.ts';
import { encryptPhi } from '#services/wings/privacy/encrypt-phi.ts';
import { requestSignOff } from '#services/wings/signoff/request-signoff.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import type { ApiCopy, ApiHarness } from '#tools/testing/harness/api.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { type SampleRequest, sampleRequests } from './sample-input-harness.ts';

/** Ids by the names that contracts give them. */
export type Ids = Readonly<Record<string, string>>;

const reason = 'test';

/** The ids of a user, of what the user owns, and of what the installation has one of. */
export async function newVictim(copy: ApiCopy, { rows, newClient }: ApiHarness): Promise<Ids> {
  const victim = await newPerson(copy);
  const owned = await newClient([]);
  await rows`INSERT INTO applications (name, audience) VALUES ('notes', 'https://notes.test')`;
  const claims = claimsIn(victim.bearer);
  const [key] = await rows`SELECT id FROM jwks WHERE purpose = 'access'`;
  return {
    user_id: victim.id,
    session_id: victim.sessionId,
    family_id: claims.fid,
    token_id: claims.jti,
    client_id: owned.client_id,
    kid: key?.id,
    role: 'auditor',
    application: 'notes',
    ...(await thingsOf(copy, rows, victim.id)),
  };
}

/** A user's resources besides the account. */
async function thingsOf({ ports }: ApiCopy, rows: ApiHarness['rows'], userId: string): Promise<Ids> {
  const owner = { kind: 'user', id: userId } as const;
  const system = testCaller as typeof testCaller & { readonly kind: 'system' };
  const { api_key } = await createApiKeyFor(ports, { name: 'deploy', owner, reason }, system);
  const [passkeyId, incidentId, subjectId] = [randomUUID(), randomUUID(), randomUUID()];
  await rows`INSERT INTO passkeys (id, "userId", "publicKey", "credentialID", counter, "deviceType", "backedUp")
    VALUES (${passkeyId}, ${userId}, '', ${passkeyId}, 0, 'singleDevice', false)`;
  await rows`INSERT INTO incidents (id, detection, severity, subject_kind, subject_id)
    VALUES (${incidentId}, 'token_replay', 'high', 'user', ${userId})`;
  const [alertId, targetId, silenceId] = [randomUUID(), randomUUID(), randomUUID()];
  await rows`INSERT INTO alerts (id, source, cause, name, severity, summary, labels)
    VALUES (${alertId}, 'control', ${alertId}, 'c', 'high', '', '{}')`;
  await rows`INSERT INTO alert_targets (id, name, kind, sealed, shown, sources, severities, time_zone, only_escalated)
    VALUES (${targetId}, ${targetId}, 'mail', '', '', '{}', '{high}', 'UTC', false)`;
  await rows`INSERT INTO alert_silences (id, matchers, until, reason, created_by)
    VALUES (${silenceId}, '{}', now() + interval '1 hour', '', '')`;
  const streamId = randomUUID();
  await rows`INSERT INTO signal_streams (id, owner, audience, method, events)
    VALUES (${streamId}, ${`user:${userId}`}, 'x', 'urn:ietf:rfc:8936', '{}')`;
  const transmitterId = randomUUID();
  await rows`INSERT INTO signal_transmitters (id, issuer, jwks_uri, audience, match_email)
    VALUES (${transmitterId}, ${transmitterId}, '', 'x', true)`;
  await encryptPhi(ports, { subject_id: subjectId, purpose: 'treatment', level: 'standard', data: 'x' }, testCaller);
  const { agent_id } = await registerAgent(
    ports,
    {
      name: 'agent',
      owner_id: userId,
      auth_method: 'client_secret_basic',
      scopes: [],
      credential_scopes: [],
      audiences: [],
      dpop_bound_access_tokens: true,
      capabilities: [],
      heartbeat_seconds: 60,
      expires_in_days: 1,
      reason,
    },
    testCaller,
  );
  const asked = { act: 'keys.rotate', title: 'Rotate', arguments: {}, required_roles: ['qa'] } as const;
  const { signoff_id } = await requestSignOff(ports, asked, testCaller);
  return {
    api_key_id: api_key.api_key_id,
    id: passkeyId,
    incident_id: incidentId,
    subject_id: subjectId,
    agent_id,
    signoff_id,
    alert_id: alertId,
    target_id: targetId,
    silence_id: silenceId,
    transmitter_id: transmitterId,
    stream_id: streamId,
  };
}

/** The same names, of which nothing exists. */
export const missingIds = (of: Ids): Ids =>
  Object.fromEntries(
    Object.keys(of).map((name) => [name, name === 'role' || name === 'application' ? 'gone' : randomUUID()]),
  );

/** In an OAuth form, `client_id` identifies the caller, not the target. */
const named = ({ bodyType }: Endpoint, ids: Ids): Ids => {
  const { client_id: _own, ...others } = ids;
  return bodyType === 'form' ? others : ids;
};

/** A request that names these resources where the contract has a place for them. */
export type NamedRequest = SampleRequest & { readonly isNaming: boolean };

export const requestsNaming = (endpoint: Endpoint, ids: Ids): NamedRequest[] =>
  sampleRequests(endpoint, named(endpoint, ids)).map((sample) => ({
    ...sample,
    isNaming:
      endpoint.path.includes('{') || Object.keys((sample.body as object | undefined) ?? {}).some((name) => name in ids),
  }));
