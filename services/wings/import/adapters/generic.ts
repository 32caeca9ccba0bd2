import { parseExactJson } from '#services/core/shared/exact-json.ts';
import { visibleText } from '#services/core/shared/visible-text.ts';
import { cutText } from '#services/platform/define/cut-text.ts';
import { importFileUnreadable } from '../errors.ts';
import { csvRow, readCsv, shielded, unshieldedRow } from '../reading/read-csv.ts';
import { readJsonArray } from '../reading/read-json-array.ts';
import { readNdjson } from '../reading/read-ndjson.ts';
import type { SourceRecord } from '../reading/record.ts';
import { sniff } from '../reading/sniff.ts';
import type {
  FactorKind,
  LegacyAccount,
  LegacyPasskey,
  LegacySystemAdapter,
  LegacyUser,
  ReadOptions,
} from './adapter.ts';
import {
  accountOf,
  dateOf,
  factorKindOf,
  firstOf,
  formatOf,
  idOf,
  isMembers,
  isTrue,
  legacyUser,
  listOf,
  type Members,
  memberOf,
  type Refused,
  textOf,
  usersOf,
} from './members.ts';

/** Files of any origin: a mapping says which column or member holds what; without one they have our names. */

const COLUMNS = [
  'legacy_id',
  'email',
  'email_verified',
  'name',
  'image',
  'created_at',
  'disabled',
  'password_hash',
  'password_format',
  'roles',
  'metadata',
  'accounts',
  'totp_secret',
  'recovery_codes',
  'passkeys',
  'factors_lost',
] as const satisfies readonly (keyof LegacyUser)[];
type Column = (typeof COLUMNS)[number];

/** A cell of a CSV file holds lists and objects as JSON. */
function parsed(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return value;
  try {
    return parseExactJson(value);
  } catch {
    return value;
  }
}

/** A list, or text whose items are separated by white space, commas, semicolons or bars. */
function textsOf(value: unknown): readonly string[] {
  const list = parsed(value);
  if (typeof list === 'string') return list.split(/[\s,;|]+/).filter((item) => item !== '');
  return listOf(list).flatMap((item) => textOf(item) ?? []);
}

const accountsOf = (value: unknown, email: string): readonly LegacyAccount[] =>
  listOf(parsed(value)).flatMap((account) =>
    accountOf(textOf(memberOf(account, 'provider')), memberOf(account, 'subject'), email),
  );

const passkeysOf = (value: unknown): readonly LegacyPasskey[] =>
  listOf(parsed(value)).flatMap((passkey): LegacyPasskey[] => {
    const [rpId, id, key] = ['rp_id', 'credential_id', 'public_key'].map((name) => textOf(memberOf(passkey, name)));
    if (!rpId || !id || !key) return [];
    return [
      {
        rp_id: rpId,
        credential_id: id,
        public_key: key,
        counter: Number(memberOf(passkey, 'counter') ?? 0),
        transports: textsOf(memberOf(passkey, 'transports')),
        device_type: memberOf(passkey, 'device_type') === 'multiDevice' ? 'multiDevice' : 'singleDevice',
        backed_up: isTrue(memberOf(passkey, 'backed_up')),
        aaguid: textOf(memberOf(passkey, 'aaguid')),
        name: textOf(memberOf(passkey, 'name')),
      },
    ];
  });

/** Kinds of lost factors: a list or text of names, or true where the file says only that there was one. */
const factorsOf = (value: unknown): readonly FactorKind[] => {
  const text = textOf(value);
  if (isTrue(value)) return ['unknown'];
  return text !== null && NONE.has(text.toLowerCase()) ? [] : textsOf(value).map(factorKindOf);
};
const NONE = new Set(['false', 'f', '0', 'no', 'none']);

/** One user by the mapping; `metadata.<name>` in the mapping adds a member of the metadata. */
export function genericUser(value: Members, { columns }: Pick<ReadOptions, 'columns'>): LegacyUser | Refused {
  const read = (column: Column): unknown => memberOf(value, columns[column] ?? column);
  const email = textOf(read('email'));
  const id = idOf(firstOf(read('legacy_id'), columns.legacy_id === undefined ? value.id : null), email);
  if (email === null) return { reason: 'email_missing', value: id };
  const hash = textOf(read('password_hash'));
  const metadata = parsed(read('metadata'));
  const more = Object.entries(columns).flatMap(([name, path]) => {
    const member = name.startsWith('metadata.') ? memberOf(value, path) : undefined;
    return member === undefined || member === '' ? [] : [[name.slice('metadata.'.length), member] as const];
  });
  return legacyUser({
    legacy_id: id,
    email,
    email_verified: isTrue(read('email_verified')),
    name: textOf(read('name')),
    image: textOf(read('image')),
    created_at: dateOf(read('created_at')),
    disabled: isTrue(read('disabled')),
    password_hash: hash,
    password_format: textOf(read('password_format')) ?? formatOf(hash),
    roles: textsOf(read('roles')),
    metadata: { ...(isMembers(metadata) ? metadata : {}), ...Object.fromEntries(more) },
    accounts: accountsOf(read('accounts'), email),
    totp_secret: textOf(read('totp_secret')),
    recovery_codes: textsOf(read('recovery_codes')),
    passkeys: passkeysOf(read('passkeys')),
    factors_lost: factorsOf(read('factors_lost')),
  });
}

const columnOf = (options: Pick<ReadOptions, 'columns'>, column: Column): string => options.columns[column] ?? column;

/** One JSON object a line, or a JSON array of objects. */
export const ndjsonAdapter: LegacySystemAdapter = {
  kind: 'ndjson',
  forms: ['json'],
  async *read(stream, options) {
    const { first, stream: whole } = await sniff(stream);
    yield* usersOf(first === '[' ? readJsonArray(whole) : readNdjson(whole), (value) => genericUser(value, options));
  },
};

/** A table without a column for the id or the address has no user in any row. */
function assertColumns(row: Members, options: ReadOptions): void {
  const { columns } = options;
  const isThere = (...names: readonly string[]): boolean => names.some((name) => memberOf(row, name) !== undefined);
  const missing = [
    ...(isThere(...(columns.legacy_id === undefined ? ['legacy_id', 'id'] : [columns.legacy_id])) ? [] : ['legacy_id']),
    ...(isThere(columnOf(options, 'email')) ? [] : ['email']),
  ];
  if (missing.length === 0) return;
  const names = Object.keys(row)
    .slice(0, 32)
    .map((name) => visibleText(cutText(name, 64)));
  throw importFileUnreadable({
    detail: `No column is the ${missing.join(', or the ')}. The columns are ${names.join(', ')}: name them under \`columns\` of the mapping.`,
  });
}

export const csvAdapter: LegacySystemAdapter = {
  kind: 'csv',
  forms: ['csv'],
  async *read(stream, options) {
    let isFirst = true;
    async function* withIds(): AsyncGenerator<SourceRecord> {
      for await (const record of readCsv(stream)) {
        if (isFirst && !('reason' in record)) assertColumns(record.value, options);
        isFirst = isFirst && 'reason' in record;
        yield record;
      }
    }
    yield* usersOf(withIds(), (row) => genericUser(unshieldedRow(row), options));
  },
};

const cellOf = (value: LegacyUser[Column]): string => {
  if (value === null) return '';
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'object') return JSON.stringify(value);
  return shielded(String(value));
};

type UserFile = (users: AsyncIterable<LegacyUser>, options: Pick<ReadOptions, 'columns'>) => AsyncIterable<string>;

/** The way back: a file that the adapter of this name reads as the same users. */
export const userFiles = {
  async *csv(users, options) {
    yield csvRow(COLUMNS.map((column) => columnOf(options, column)));
    for await (const user of users) yield csvRow(COLUMNS.map((column) => cellOf(user[column])));
  },
  async *ndjson(users, options) {
    for await (const user of users)
      yield `${JSON.stringify(Object.fromEntries(COLUMNS.map((column) => [columnOf(options, column), user[column]])))}\n`;
  },
} as const satisfies Readonly<Record<string, UserFile>>;
export type UserFileFormat = keyof typeof userFiles;
