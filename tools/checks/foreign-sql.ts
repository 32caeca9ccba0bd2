import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { modules } from '#services/modules.ts';
import { owners, readRoutines } from '../catalog/database.ts';

const ROOT = resolve(import.meta.dirname, '../..');

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

const CHECKED = [
  'accounts api_keys applications audit_checkpoints audit_events audit_log audit_outbox audit_personal',
  'audit_sinks detection_progress feed_state incidents job_schedules jwks key_policy mail_outbox oauth_clients',
  'one_time_codes passkeys permissions phi_break_glass phi_consents phi_data_keys phi_disclosures',
  'phi_field_policies phi_keys phi_requests phi_restrictions phi_rotations refresh_families revocations',
  'role_permissions roles server_secrets sessions two_factors unjudged_events user_roles users',
].join(' ');

/** SQL of a module, or of a folder outside the domain, on tables of others, and why it is there. */
export const FOREIGN_SQL: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  access: {
    'users agents feed_state':
      'the directory in memory reads the version of rights, and clients with the agent and the owner that limit them',
    user_roles: 'a role that a user has is not deleted, and its holders are counted',
    oauth_consents: 'consents to scopes that a client loses end with the change',
    signoff_policies: 'an application declares its sign-off policies with its permissions',
  },
  agents: { 'users oauth_clients': 'an agent is an OAuth client with an owner; both are locked with it' },
  'api-keys': {
    'users oauth_clients sessions refresh_families feed_state':
      'a key is created under the lock of its owner, with the roles of the sign-in, and is read with the version of rights',
  },
  cli: { 'feed_state jwks oauth_clients': '`sallyport doctor` reads facts that no rule of the product needs' },
  compliance: {
    [CHECKED]:
      'a check looks at the rows themselves, not through the rule that it checks; what it writes is rolled back',
  },
  identity: {
    oauth_clients: 'the seed of the demo client',
    legacy_sessions:
      'the session that answers the challenge of a carried-over session continues it, in the same transaction',
    refresh_families: 'a session is listed and ended with the tokens issued from it',
    roles: 'the role that is granted is locked, and the last administrator keeps it',
    token_lifetimes: 'the row of an ended session stays as long as its tokens live',
  },
  keys: {
    'alert_targets import_chunks imported_hash_keys mail_outbox one_time_codes phi_keys signal_streams':
      'a change of the key-encryption key seals every value again, whoever owns it',
    feed_state: 'its row is the lock under which the key ring changes',
  },
  import: {
    'accounts audit_events oauth_clients passkeys two_factors user_roles users':
      'a batch of a thousand imported users is a few statements, in one transaction with the place in the file; an export reads them as they are, and a certificate has the bytes of its sealed event',
  },
  monitoring: { job_schedules: 'figures are right until the job that counts was last asked for work and had none' },
  mcp: { users: 'a task asks for the rights of its user' },
  oauth: {
    users: `${ONE_STATEMENT}: a consent, device or document client and its user; and claims of the user`,
    oauth_clients:
      'clients that register themselves or by a document, within their limits; and the client of a code or grant',
    'refresh_families revocations': 'what came of a code that is used twice, and whether a client is in use',
  },
  recovery: {
    'feed_state idempotency_keys oauth_clients refresh_families sessions users':
      'after an accepted loss of data, all sessions and tokens end in one transaction',
    audit_log: 'a backup names the head of the log in its own view',
    audit_personal: 'the integrity check looks for rows whose sealed event is missing',
    phi_data_keys: 'a backup holds no key that was shredded before it was written',
    revocations: 'lost revocations are written from kept segments of the feed',
  },
  privacy: {
    'agents oauth_clients roles user_roles users': `${ONE_STATEMENT}: the person, and the roles of the caller with the policies of those roles`,
    'audit_events audit_personal': 'the uses of a person’s data are what the audit log says of them',
  },
  revocations: {
    'oauth_clients refresh_families sessions users':
      'a crowd of revocations collapses into the epoch of its user or client, and a database without tokens is unused',
    jwks: 'a database without a key that signed has issued no token',
  },
  security: {
    'audit_events audit_outbox audit_personal':
      'detections read the sealed log in its order, and record the incident in the statement that raises it',
    'agents role_permissions':
      'a detection tells events of agents from those of other clients, and roles that administer from others',
    'login_failures oauth_device_grants refresh_families sessions users': `${ONE_STATEMENT}: the actions of a detection end access with the incident`,
  },
  'services/platform/marks': {
    feed_state: 'the place of the high-water marks is claimed for the incarnation of the database',
  },
  'services/platform/postgres': {
    feed_state:
      'a read replica must be of the incarnation of the primary, and is asked in the statement that tells its age',
  },
  shared: {
    'sessions users':
      'whether a sign-in lacks a factor of its account is one question for every module that gives credentials',
  },
  outbound: {
    'accounts users': 'the user of an outside subject is found by a linked account or a verified address',
    'agents oauth_clients':
      'whether the owner of a stream still may receive is decided by the rows, when nobody makes a request',
  },
  signoff: {
    'agents oauth_clients refresh_families user_roles users': `${ONE_STATEMENT}: who decides has the role and is not who requested; and names for the pages`,
    audit_events: 'a receipt names the place of its event in the sealed log',
  },
  tokens: {
    'feed_state revocations': `${ONE_STATEMENT}: what ends a family also revokes its tokens, and a family is born with the state of the feed`,
    audit_outbox: 'the statement that issues or rotates many tokens also records them',
    'oauth_clients role_permissions sessions users': `${ONE_STATEMENT}: a family and what it depends on, and epochs that end its tokens`,
  },
};

/** The tables that the SQL of a place names and does not own. */
export const tablesOf = (place: string): string[] =>
  Object.keys(FOREIGN_SQL[place] ?? {}).flatMap((tables) => tables.split(' '));

const wings = modules.filter(({ wing }) => wing !== undefined);
const wingTables = wings.flatMap(({ tables }) => tables);

/** Rows that jobs gave up are shown also where their wing is left out: its tables stay. */
const GIVEN_UP = ['handoff_deliveries'];

/** Tables of wings that an installation without wings reads: in SQL that is of no wing, and in triggers on other tables. */
export function wingTablesInUse(): { readonly bySql: string[]; readonly byTriggers: string[] } {
  const { functions, triggers } = readRoutines();
  const ofWings = (tables: readonly string[]): string[] =>
    [...new Set(tables)].filter((table) => wingTables.includes(table)).sort();
  const called = new Set(triggers.flatMap(({ table, calls }) => (wingTables.includes(table) ? [] : [calls])));
  const isWing = (place: string): boolean => wings.some(({ name }) => name.split('/')[0] === place);
  return {
    bySql: ofWings([
      ...GIVEN_UP,
      ...Object.keys(FOREIGN_SQL)
        .filter((place) => !isWing(place))
        .flatMap(tablesOf),
    ]),
    byTriggers: ofWings(functions.flatMap(({ name, sql }) => (called.has(name) ? tablesIn(sql) : []))),
  };
}

/** Tables that nothing reads without the wings. */
export function unusedWingTables(): string[] {
  const { bySql, byTriggers } = wingTablesInUse();
  return wingTables.filter((table) => !bySql.includes(table) && !byTriggers.includes(table));
}
