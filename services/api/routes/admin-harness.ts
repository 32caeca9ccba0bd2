// For tests only: an installation with an administrator, and administrative requests.

import { newPerson } from '#tools/testing/flows/people.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { type ClientCredentials, type Json, type Received, type Sent, send } from '#tools/testing/http-client.ts';

/** The reason that administrators give in these tests. */
export const reason = 'because of the test';

/** What the audit log records of an action, as `events` reads it. */
export const doneBy = ({ id }: { readonly id: string }, detail: object): Json => ({
  outcome: 'ok',
  actor_kind: 'user',
  actor_id: id,
  detail,
});

type Ask = (method: string, path: string, sent?: Sent) => Promise<Received>;

/** One copy of the API whose hashing worker starts on demand: one harness per test file. */
export async function openAdminHarness() {
  const harness = await openApiHarness();
  const copy = await harness.startCopy({ hashes: false });
  const admin = await newPerson(copy, ['admin']);
  /** Requests with this access token. @param at another copy than the first */
  const as =
    (bearer: string, at = copy): Ask =>
    (method, path, sent = {}) =>
      send(at.url, method, path, { bearer, ...sent });
  const byAdmin = (method: string, path: string, json?: object): Promise<Received> =>
    as(admin.bearer)(method, path, json === undefined ? {} : { json });
  return {
    ...harness,
    copy,
    admin,
    as,
    byAdmin,
    /** A client created by the administrator, for client credentials unless given otherwise. */
    register: (body: object = {}) =>
      byAdmin('POST', '/v1/admin/clients', { name: 'Reports', grant_types: ['client_credentials'], reason, ...body }),
    /** A token by client credentials. */
    tokenBy: (client: ClientCredentials, form: Readonly<Record<string, string>> = {}, at = copy) =>
      send(at.url, 'POST', '/oauth2/token', { basic: client, form: { grant_type: 'client_credentials', ...form } }),
    /** The audit events of a target, in order. */
    events: (type: string, target: string) =>
      harness.rows`SELECT outcome, actor_kind, actor_id, detail FROM audit_outbox
        WHERE type = ${type} AND target_id = ${target} ORDER BY id`,
  };
}
