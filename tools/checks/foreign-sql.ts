import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { owners } from '../catalog/database.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** SQL of one place on tables of others, and why it is there. */
export type ForeignSql = {
  /** A module, or a folder outside the domain. */
  readonly of: string;
  readonly tables: readonly string[];
  readonly reason: string;
};

const TABLE = /\b(?:FROM|JOIN|INTO|UPDATE|TRUNCATE|ONLY)\s+"?(\w+)"?/g;
/** The rest of a list after FROM: `FROM audit_events e, detection_progress p`. */
const LISTED = /\bFROM\s+\w+(?:\s+(?:AS\s+)?\w+)?((?:\s*,\s*\w+(?:\s+\w+)?)+)/g;
/** A purge names its table. */
const PURGED = /\btable: '(\w+)'/g;

/** Tables that the SQL of a source names. */
export function tablesIn(source: string): string[] {
  const text = source.replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '').replaceAll(/\bIS\s+(?:NOT\s+)?DISTINCT\s+FROM\b/g, '');
  const named = [...text.matchAll(TABLE), ...text.matchAll(PURGED)].map(([, name = '']) => name);
  const listed = [...text.matchAll(LISTED)].flatMap(([, rest = '']) =>
    rest.split(',').flatMap((item) => /^\s*(\w+)/.exec(item)?.[1] ?? []),
  );
  return [...new Set([...named, ...listed])].filter((name) => owners.has(name)).sort();
}

/** The module of a file with SQL, or the folder outside the domain. */
const placeOf = (file: string): string =>
  /^services\/(?:core|wings)\/([^/]+)\//.exec(file)?.[1] ??
  file
    .split('/')
    .slice(0, file.startsWith('services/') ? 3 : 1)
    .join('/');

/** A part of a module, as `operations/tasks`, and a folder of the platform, as `platform/queue`, own tables too. */
const isOwn = (place: string, owner = ''): boolean =>
  owner === place || owner.startsWith(`${place}/`) || `services/${owner}` === place;

/** Every use of a table by a place that does not own it. */
export function foreignUses(): { readonly of: string; readonly table: string }[] {
  const uses = new Map<string, { of: string; table: string }>();
  for (const file of globSync('{services,cli,jobs}/**/*.ts', { cwd: ROOT })) {
    if (/(\.test|-harness)\.ts$|\/generated\//.test(file)) continue;
    const text = readFileSync(resolve(ROOT, file), 'utf8');
    if (!/\bdefine(?:Statement|Purge)\(/.test(text)) continue;
    const of = placeOf(file);
    for (const table of tablesIn(text)) if (!isOwn(of, owners.get(table))) uses.set(`${of} ${table}`, { of, table });
  }
  return [...uses.values()].sort((one, other) => `${one.of} ${one.table}`.localeCompare(`${other.of} ${other.table}`));
}

const ONE_STATEMENT = 'decides and writes in one statement or under one lock, as two would race';

export const FOREIGN_SQL: readonly ForeignSql[] = [
  {
    of: 'access',
    tables: ['users', 'agents', 'feed_state'],
    reason:
      'the directory in memory reads the version of rights, and clients with the agent and the owner that limit them',
  },
  {
    of: 'access',
    tables: ['user_roles'],
    reason: 'a role that a user has is not deleted, and its holders are counted',
  },
  { of: 'access', tables: ['oauth_consents'], reason: 'consents to scopes that a client loses end with the change' },
  {
    of: 'access',
    tables: ['signoff_policies'],
    reason: 'an application declares its sign-off policies with its permissions',
  },
  {
    of: 'agents',
    tables: ['users', 'oauth_clients'],
    reason: 'an agent is an OAuth client with an owner; both are locked with it',
  },
  {
    of: 'api-keys',
    tables: ['users', 'oauth_clients', 'sessions', 'refresh_families', 'feed_state'],
    reason:
      'a key is created under the lock of its owner, with the roles of the sign-in, and is read with the version of rights',
  },
  {
    of: 'cli',
    tables: ['feed_state', 'jwks', 'oauth_clients'],
    reason: '`sallyport doctor` reads facts that no rule of the product needs',
  },
  {
    of: 'compliance',
    tables: [
      ...['accounts', 'api_keys', 'applications', 'audit_checkpoints', 'audit_events', 'audit_log', 'audit_outbox'],
      ...['audit_personal', 'audit_sinks', 'detection_progress', 'feed_state', 'incidents', 'job_schedules', 'jwks'],
      ...['key_policy', 'mail_outbox', 'oauth_clients', 'one_time_codes', 'passkeys', 'permissions', 'phi_break_glass'],
      ...['phi_consents', 'phi_data_keys', 'phi_disclosures', 'phi_field_policies', 'phi_keys', 'phi_requests'],
      ...['phi_restrictions', 'phi_rotations', 'refresh_families', 'revocations', 'role_permissions', 'roles'],
      ...['server_secrets', 'sessions', 'two_factors', 'unjudged_events', 'user_roles', 'users'],
    ],
    reason: 'a check looks at the rows themselves, not through the rule that it checks; what it writes is rolled back',
  },
  { of: 'identity', tables: ['oauth_clients'], reason: 'the seed of the demo client' },
  {
    of: 'identity',
    tables: ['legacy_sessions'],
    reason: 'the session that answers the challenge of a carried-over session continues it, in the same transaction',
  },
  {
    of: 'identity',
    tables: ['refresh_families'],
    reason: 'a session is listed and ended with the tokens issued from it',
  },
  {
    of: 'identity',
    tables: ['roles'],
    reason: 'the role that is granted is locked, and the last administrator keeps it',
  },
  {
    of: 'identity',
    tables: ['token_lifetimes'],
    reason: 'the row of an ended session stays as long as its tokens live',
  },
  {
    of: 'keys',
    tables: [
      ...['alert_targets', 'import_chunks', 'imported_hash_keys', 'mail_outbox', 'one_time_codes', 'phi_keys'],
      'signal_streams',
    ],
    reason: 'a change of the key-encryption key seals every value again, whoever owns it',
  },
  { of: 'keys', tables: ['feed_state'], reason: 'its row is the lock under which the key ring changes' },
  {
    of: 'import',
    tables: ['accounts', 'audit_events', 'oauth_clients', 'passkeys', 'two_factors', 'user_roles', 'users'],
    reason:
      'a batch of a thousand imported users is a few statements, in one transaction with the place in the file; an export reads them as they are, and a certificate has the bytes of its sealed event',
  },
  {
    of: 'monitoring',
    tables: ['job_schedules'],
    reason: 'figures are right until the job that counts was last asked for work and had none',
  },
  { of: 'mcp', tables: ['users'], reason: 'a task asks for the rights of its user' },
  {
    of: 'oauth',
    tables: ['users'],
    reason: `${ONE_STATEMENT}: a consent, device or document client and its user; and claims of the user`,
  },
  {
    of: 'oauth',
    tables: ['oauth_clients'],
    reason: 'clients that register themselves or by a document, within their limits; and the client of a code or grant',
  },
  {
    of: 'oauth',
    tables: ['refresh_families', 'revocations'],
    reason: 'what came of a code that is used twice, and whether a client is in use',
  },
  {
    of: 'recovery',
    tables: ['feed_state', 'idempotency_keys', 'oauth_clients', 'refresh_families', 'sessions', 'users'],
    reason: 'after an accepted loss of data, all sessions and tokens end in one transaction',
  },
  { of: 'recovery', tables: ['audit_log'], reason: 'a backup names the head of the log in its own view' },
  {
    of: 'recovery',
    tables: ['audit_personal'],
    reason: 'the integrity check looks for rows whose sealed event is missing',
  },
  {
    of: 'recovery',
    tables: ['phi_data_keys'],
    reason: 'a backup holds no key that was shredded before it was written',
  },
  { of: 'recovery', tables: ['revocations'], reason: 'lost revocations are written from kept segments of the feed' },
  {
    of: 'privacy',
    tables: ['agents', 'oauth_clients', 'roles', 'user_roles', 'users'],
    reason: `${ONE_STATEMENT}: the person, and the roles of the caller with the policies of those roles`,
  },
  {
    of: 'privacy',
    tables: ['audit_events', 'audit_personal'],
    reason: 'the uses of a person’s data are what the audit log says of them',
  },
  {
    of: 'revocations',
    tables: ['oauth_clients', 'refresh_families', 'sessions', 'users'],
    reason:
      'a crowd of revocations collapses into the epoch of its user or client, and a database without tokens is unused',
  },
  { of: 'revocations', tables: ['jwks'], reason: 'a database without a key that signed has issued no token' },
  {
    of: 'security',
    tables: ['audit_events', 'audit_outbox', 'audit_personal'],
    reason: 'detections read the sealed log in its order, and record the incident in the statement that raises it',
  },
  {
    of: 'security',
    tables: ['agents', 'role_permissions'],
    reason: 'a detection tells events of agents from those of other clients, and roles that administer from others',
  },
  {
    of: 'security',
    tables: ['login_failures', 'oauth_device_grants', 'refresh_families', 'sessions', 'users'],
    reason: `${ONE_STATEMENT}: the actions of a detection end access with the incident`,
  },
  {
    of: 'services/platform/marks',
    tables: ['feed_state'],
    reason: 'the place of the high-water marks is claimed for the incarnation of the database',
  },
  {
    of: 'services/platform/postgres',
    tables: ['feed_state'],
    reason:
      'a read replica must be of the incarnation of the primary, and is asked in the statement that tells its age',
  },
  {
    of: 'shared',
    tables: ['sessions', 'users'],
    reason: 'whether a sign-in lacks a factor of its account is one question for every module that gives credentials',
  },
  {
    of: 'outbound',
    tables: ['accounts', 'users'],
    reason: 'the user of an outside subject is found by a linked account or a verified address',
  },
  {
    of: 'outbound',
    tables: ['agents', 'oauth_clients'],
    reason: 'whether the owner of a stream still may receive is decided by the rows, when nobody makes a request',
  },
  {
    of: 'signoff',
    tables: ['agents', 'oauth_clients', 'refresh_families', 'user_roles', 'users'],
    reason: `${ONE_STATEMENT}: who decides has the role and is not who requested; and names for the pages`,
  },
  { of: 'signoff', tables: ['audit_events'], reason: 'a receipt names the place of its event in the sealed log' },
  {
    of: 'tokens',
    tables: ['feed_state', 'revocations'],
    reason: `${ONE_STATEMENT}: what ends a family also revokes its tokens, and a family is born with the state of the feed`,
  },
  {
    of: 'tokens',
    tables: ['audit_outbox'],
    reason: 'the statement that issues or rotates many tokens also records them',
  },
  {
    of: 'tokens',
    tables: ['oauth_clients', 'role_permissions', 'sessions', 'users'],
    reason: `${ONE_STATEMENT}: a family and what it depends on, and epochs that end its tokens`,
  },
];
