import { setTimeout as sleep } from 'node:timers/promises';
import { basicOf } from '../../http.ts';
import { type CopyName, now } from '../../ledger.ts';
import type { Usable } from '../../surface-facts.ts';
import {
  anyCopy,
  atBothCopies,
  end,
  keep,
  kept,
  newUsable,
  pickShown,
  REASON,
  type RowStatements,
  type Surface,
  show,
  type Tools,
} from './surface.ts';

export const apiKeyRows: RowStatements = {
  'registration of a client': 'SELECT name AS key FROM oauth_clients',
  'creation of an API key': 'SELECT name AS key FROM api_keys',
  'revocation of an API key': 'SELECT id::text AS key FROM api_keys WHERE revoked_at IS NOT NULL',
};

/** An owner may create fifty a day, those whose answers are lost included. */
const KEYS_PER_OWNER = 30;
const LIVE_MOST = 12;
const PERMISSION = 'signoffs:read';

type ApiKey = Usable & { readonly secret: string; readonly owner: string };

export function createApiKeys(tools: Tools): Surface {
  const { authorization, random } = tools;
  const keys: ApiKey[] = [];
  let owner = '';
  let created = 0;
  let ownerAtMs = 0;
  const live = (): ApiKey[] => kept(tools, keys).filter(({ revocations }) => revocations.length === 0);

  /** A client, which owns the next keys. */
  async function newOwner(): Promise<void> {
    const made = await keep(
      tools,
      { surface: 'API keys', kind: 'registration of a client', events: ['client.created'] },
      (name) => ({
        path: '/v1/admin/clients',
        json: { name, grant_types: ['client_credentials'], credential_scopes: [PERMISSION], reason: REASON },
        headers: { authorization },
      }),
      ({ status }) => status === 201,
    );
    if (!made) return;
    owner = basicOf(made.answer.body);
    created = 0;
    ownerAtMs = now();
    await sleep(2_000);
  }

  async function create(): Promise<void> {
    created += 1;
    if (owner === '' || created > KEYS_PER_OWNER || kept(tools, [{ madeAtMs: ownerAtMs }]).length === 0)
      await newOwner();
    const by = owner;
    const made = await keep(
      tools,
      { surface: 'API keys', kind: 'creation of an API key', events: ['api_key.created'] },
      (name) => ({ path: '/v1/api-keys', json: { name, permissions: [PERMISSION] }, headers: { authorization: by } }),
      ({ status }) => status === 201,
    );
    if (!made) return;
    const { api_key: apiKey, secret } = made.answer.body;
    const what = { surface: 'API keys', kind: 'API key', id: apiKey.api_key_id, endsWithLoss: true } as const;
    keys.push({ ...newUsable(what), secret, owner: by });
  }

  /** A service is shown the key and asks; or the key itself calls. */
  const use = async (key: ApiKey | undefined, copy: CopyName = anyCopy(tools)): Promise<void> => {
    if (!key) return;
    const json = { key: key.secret };
    const verify = { path: '/v1/api-keys/verify', json, headers: { authorization } };
    await show(tools, key, copy, verify, ({ status, body }) => (status === 200 ? body.active === true : undefined));
    const bearer = { authorization: `Bearer ${key.secret}` };
    const call = { method: 'GET', path: '/v1/handoff/signoffs?limit=1', headers: bearer } as const;
    await show(tools, key, copy, call, ({ status }) => status === 200 || (status === 401 ? false : undefined));
  };

  const revoke = async (key: ApiKey | undefined): Promise<void> => {
    if (!key || key.revocations.length > 0) return;
    await end(
      tools,
      key,
      { surface: 'API keys', kind: 'revocation of an API key', events: ['api_key.revoked'], key: key.id },
      { method: 'DELETE', path: `/v1/api-keys/${key.id}`, headers: { authorization: key.owner } },
      ({ status }) => status === 204,
    );
  };

  return {
    acts: [
      [0.2, () => (live().length < LIVE_MOST ? create() : revoke(random.pick(live())))],
      [0.1, () => revoke(random.pick(live()))],
      [1, () => use(pickShown(tools, keys))],
    ],
    prepare: async () => {
      for (let at = 0; at < 3; at += 1) await create();
      await revoke(keys[0]);
    },
    settle: () => atBothCopies(keys.slice(-60), use),
  };
}
