import { setTimeout as sleep } from 'node:timers/promises';
import { basicOf } from '../../http.ts';
import { now } from '../../ledger.ts';
import { anyCopy, attempt, type Clients, get, isAccepted, post, REASON, RETRIED } from '../clients.ts';
import { keep, kept, living, type Surface } from './surface.ts';

/** An owner may create fifty a day, those whose answers are lost included. */
const KEYS_PER_OWNER = 30;
const PERMISSION = 'signoffs:read';
/** Copies learn of a client. */
const LEARNING_MS = 2_000;

/** Keys of clients, which a service verifies, or which call themselves, until they are revoked. */
export function createApiKeys(clients: Clients): Surface {
  const { authorization } = clients;
  let owner = { authorization: '', madeAtMs: 0, created: KEYS_PER_OWNER };

  async function newOwner(): Promise<void> {
    const what = { kind: 'registration of a client', events: ['client.created'] };
    const json = { grant_types: ['client_credentials'], credential_scopes: [PERMISSION], reason: REASON };
    const made = await keep(clients, 'API keys', what, (name) =>
      post(authorization, '/v1/admin/clients', { name, ...json }),
    );
    if (made) owner = { authorization: basicOf(made.answer.body), madeAtMs: now(), created: 0 };
    await sleep(LEARNING_MS);
  }

  return living<{ readonly secret: string; readonly owner: string }>(clients, {
    name: 'API keys',
    called: 'API key',
    endsWithLoss: true,
    rows: {
      'registration of a client': 'SELECT name AS key FROM oauth_clients',
      'creation of an API key': 'SELECT name AS key FROM api_keys',
      'revocation of an API key': 'SELECT id::text AS key FROM api_keys WHERE revoked_at IS NOT NULL',
    },
    mostLive: 12,
    perSecond: { make: 0.2, end: 0.1, show: 1 },
    make: async () => {
      if (owner.created >= KEYS_PER_OWNER || kept(clients, [owner]).length === 0) await newOwner();
      owner.created += 1;
      const { authorization: by } = owner;
      const what = { kind: 'creation of an API key', events: ['api_key.created'] };
      const made = await keep(clients, 'API keys', what, (name) =>
        post(by, '/v1/api-keys', { name, permissions: [PERMISSION] }),
      );
      return made && { id: made.answer.body.api_key.api_key_id, secret: made.answer.body.secret, owner: by };
    },
    shows: [
      {
        request: ({ secret }) => post(authorization, '/v1/api-keys/verify', { key: secret }),
        accepts: ({ status, body }) => (status === 200 ? body.active === true : undefined),
      },
      {
        request: ({ secret }) => get(`Bearer ${secret}`, '/v1/handoff/signoffs?limit=1'),
        accepts: ({ status }) => status === 200 || (status === 401 ? false : undefined),
      },
    ],
    end: {
      kind: 'revocation of an API key',
      events: ['api_key.revoked'],
      request: (key) => ({ method: 'DELETE', path: `/v1/api-keys/${key.id}`, headers: { authorization: key.owner } }),
      isDone: ({ status }) => status === 204,
    },
  });
}

type Encrypted = { readonly encrypted: unknown };

/** The consent of a person to research, which health data for research is decrypted by, until it is withdrawn. */
export function createConsents(clients: Clients): Surface {
  const { authorization, ask } = clients;
  const purpose = 'research';
  return living<Encrypted>(clients, {
    name: 'consents',
    called: 'consent',
    rows: {
      'recording of a consent': 'SELECT subject_id AS key FROM phi_consents WHERE granted',
      'withdrawal of a consent': 'SELECT subject_id AS key FROM phi_consents WHERE NOT granted',
    },
    mostLive: 30,
    perSecond: { make: 0.3, end: 0.15, show: 1 },
    make: async () => {
      const what = { kind: 'recording of a consent', events: ['phi.consent_recorded'] };
      const made = await keep(clients, 'consents', what, (subject_id) =>
        post(authorization, '/v1/privacy/consents', { subject_id, purpose, granted: true, terms: 'chaos-1' }),
      );
      if (!made) return undefined;
      const json = { subject_id: made.key, purpose, data: { note: made.key } };
      const { body } = await ask(anyCopy(clients), post(authorization, '/v1/privacy/phi/encrypt', json));
      return { id: made.key, encrypted: body?.encrypted };
    },
    shows: [
      {
        request: ({ id }) => get(authorization, `/v1/privacy/subjects/${id}/consents/${purpose}`),
        accepts: ({ status, body }) => (status === 200 ? body.granted === true : undefined),
      },
      {
        request: ({ encrypted }) => post(authorization, '/v1/privacy/phi/decrypt', { purpose, encrypted }),
        accepts: ({ status, body }) => status === 200 || (body?.reason === 'consent_missing' ? false : undefined),
      },
    ],
    end: {
      kind: 'withdrawal of a consent',
      events: ['phi.consent_recorded'],
      request: ({ id }) => post(authorization, '/v1/privacy/consents/withdraw', { subject_id: id, reason: REASON }),
    },
  });
}

/** Values about persons, which decrypt to what was encrypted while encryption keys rotate, until the person is shredded. */
export function createHealthData(clients: Clients): Surface {
  const { authorization } = clients;
  const purpose = 'treatment';
  const surface = living<Encrypted>(clients, {
    name: 'health data',
    called: 'encrypted value',
    rows: {
      'encryption of a value': 'SELECT DISTINCT subject_id AS key FROM phi_data_keys',
      'shredding of a person': 'SELECT DISTINCT subject_id AS key FROM phi_data_keys WHERE shredded_at IS NOT NULL',
    },
    mostLive: 40,
    perSecond: { make: 0.3, end: 0.15, show: 1.5 },
    make: async () => {
      const what = { kind: 'encryption of a value', events: ['phi.encrypted'] };
      const made = await keep(clients, 'health data', what, (subject_id) =>
        post(authorization, '/v1/privacy/phi/encrypt', { subject_id, purpose, data: { note: subject_id } }),
      );
      return made && { id: made.key, encrypted: made.answer.body.encrypted };
    },
    shows: [
      {
        request: ({ encrypted }) => post(authorization, '/v1/privacy/phi/decrypt', { purpose, encrypted }),
        accepts: ({ status, body }, { id }) => {
          if (RETRIED.has(status)) return undefined;
          // Other data than was encrypted is no use.
          return status === 200 && body.data?.note === id;
        },
      },
    ],
    end: {
      kind: 'shredding of a person',
      events: ['phi.shredded'],
      request: ({ id }) => post(authorization, `/v1/privacy/phi/subjects/${id}/shred`, { reason: REASON }),
      // A retry after a lost answer finds no key.
      isDone: ({ status }) => status === 200 || status === 404,
    },
  });
  const rotation = { kind: 'rotation of the encryption key', events: [] };
  const request = post(authorization, '/v1/privacy/phi/rotations', { reason: REASON });
  const rotate = () => attempt(clients, rotation, () => request, isAccepted);
  return { ...surface, acts: [...surface.acts, [0.03, rotate]] };
}
