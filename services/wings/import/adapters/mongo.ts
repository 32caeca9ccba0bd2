import { exactNumber } from '#services/core/shared/exact-json.ts';
import { readJsonArray } from '../reading/read-json-array.ts';
import { readNdjson } from '../reading/read-ndjson.ts';
import { sniff } from '../reading/sniff.ts';
import type { LegacySystemAdapter, LegacyUser, ReadOptions } from './adapter.ts';
import { genericUser } from './generic.ts';
import { isMembers, type Members, usersOf } from './members.ts';

/** A collection of users as `mongoexport` writes it: extended JSON (v2, relaxed or canonical), one document a line. */

/** Members of a document as its programs usually name them; a mapping names others. */
const USUAL = {
  legacy_id: '_id',
  email: 'email',
  email_verified: 'emailVerified',
  name: 'name',
  image: 'image',
  created_at: 'createdAt',
  disabled: 'disabled',
  password_hash: 'password',
  roles: 'roles',
  metadata: 'metadata',
  accounts: 'accounts',
  totp_secret: 'totpSecret',
  recovery_codes: 'recoveryCodes',
  passkeys: 'passkeys',
  factors_lost: 'factorsLost',
} as const satisfies Partial<Record<keyof LegacyUser, string>>;

const columnsOf = ({ columns }: Pick<ReadOptions, 'columns'>): Readonly<Record<string, string>> => ({
  ...USUAL,
  ...columns,
});

const ofText = (value: unknown): unknown => (typeof value === 'string' ? value : null);
const ofNumber = (value: unknown): unknown => (typeof value === 'string' ? exactNumber(value) : value);

/** Types that extended JSON writes as an object with one member. */
const SCALARS: Readonly<Record<string, (value: unknown) => unknown>> = {
  $oid: ofText,
  $uuid: ofText,
  $symbol: ofText,
  $numberInt: ofNumber,
  $numberLong: ofNumber,
  $numberDouble: ofNumber,
  $numberDecimal: ofText,
  $date: (value) => (isMembers(value) ? new Date(Number(value.$numberLong)).toISOString() : value),
};

/** A UUID is binary data of subtype 4. */
function uuidOf({ base64, subType }: Members): string | null {
  const hex = subType === '04' && typeof base64 === 'string' ? Buffer.from(base64, 'base64').toString('hex') : '';
  return hex.length === 32 ? hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-') : null;
}

/** The members of a document that an import reads: a live collection is asked for these alone. */
export const membersRead = (options: Pick<ReadOptions, 'columns'>): readonly string[] => {
  const paths = [...Object.values(columnsOf(options)), options.columns.password_format ?? 'password_format'];
  return [...new Set(paths.map((path) => path.split('.')[0] as string))].sort();
};

/** A document without the types of MongoDB: ids as text, times as RFC 3339. */
export function plainDocument(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainDocument);
  if (!isMembers(value)) return value;
  const entries = Object.entries(value);
  const [only] = entries;
  const uuid = isMembers(value.$binary) && entries.length === 1 ? uuidOf(value.$binary) : null;
  if (uuid !== null) return uuid;
  if (entries.length === 1 && only !== undefined && Object.hasOwn(SCALARS, only[0])) {
    const found = value[only[0]];
    const date = isMembers(found) ? Number(found.$numberLong) : 0;
    // A time that no date can hold stays as it is; the record is rejected for it.
    return only[0] === '$date' && !(Math.abs(date) <= 8.64e15) ? found : SCALARS[only[0]]?.(found);
  }
  return Object.fromEntries(entries.map(([name, member]) => [name, plainDocument(member)]));
}

export const mongoAdapter: LegacySystemAdapter = {
  kind: 'mongo',
  forms: ['json'],
  async *read(stream, options) {
    const { first, stream: whole } = await sniff(stream);
    const columns = columnsOf(options);
    yield* usersOf(first === '[' ? readJsonArray(whole) : readNdjson(whole), (value) =>
      genericUser(plainDocument(value) as Members, { columns }),
    );
  },
};
