import type { Ports, Sql, Tx } from '#services/domain/ports.ts';
import { importedSecret } from '../../identity/factors/totp.ts';
import { storedDigest } from '../../identity/passwords/inspect-imported.ts';
import { readActiveAdmins } from '../../identity/users/assert-admin-stays.ts';
import type { ImportMap } from '../import-shapes.ts';
import type { CheckedUser } from './check-user.ts';
import {
  insertParts,
  insertUsers,
  lockUsers,
  readAccountOwners,
  readAddressOwners,
  readKnownUsers,
  readTakenIds,
  type UserParts,
  updateUsers,
  upsertLegacyUsers,
} from './imported-users.store.ts';
import { spellingsOf } from './own-ids.ts';
import {
  type BatchPlan,
  type BatchRecord,
  type ChangedUser,
  type Found,
  type NewUser,
  planBatch,
} from './plan-batch.ts';

/** Encrypts second factors as the sign-in reads them. */
export type HasFactorSeal = {
  readonly factorSeal: { seal(plain: string): Promise<string>; open(sealed: string): Promise<string> };
};
/** The RP ID of passkeys here: one that was made for another does not work. */
export type HasRelyingParty = { readonly relyingPartyId: string };

export type BatchPorts = Pick<Ports, 'random'> & HasFactorSeal & HasRelyingParty;

const usersIn = (records: readonly BatchRecord[]): CheckedUser[] =>
  records.flatMap((record) => ('user' in record ? record.user : []));

/** What is known here of the users of a batch. @param locks whether those that changed are locked until commit */
async function readFound(sql: Sql, provider: string, users: readonly CheckedUser[], locks: boolean): Promise<Found> {
  const ids = users.map(({ legacy_id: id }) => id);
  const admins = users.some(({ disabled }) => disabled) ? await readActiveAdmins(sql, locks) : new Set<string>();
  let known = new Map((await readKnownUsers(sql, provider, ids)).map((row) => [row.legacy_id, row]));
  const changed = users.flatMap(({ legacy_id: id, contentSha256 }) => {
    const row = known.get(id);
    return row?.user_id != null && row.content_sha256 !== contentSha256 ? row.user_id : [];
  });
  if (locks && changed.length > 0) {
    // A user may change the password, or be deleted, until the lock is taken: what counts is what is there then.
    await lockUsers(sql, changed);
    known = new Map((await readKnownUsers(sql, provider, ids)).map((row) => [row.legacy_id, row]));
  }
  const differing = users.filter(({ legacy_id: id, contentSha256 }) => known.get(id)?.content_sha256 !== contentSha256);
  if (differing.length === 0) return { known, admins, owners: new Map(), takenIds: new Set(), accounts: new Map() };
  const owners = await readAddressOwners(
    sql,
    provider,
    differing.map(({ email }) => email),
  );
  return {
    known,
    admins,
    owners: new Map(owners.map((owner) => [owner.email, owner])),
    takenIds: await readTakenIds(
      sql,
      differing.flatMap(({ legacy_id: id }) => (known.has(id) ? [] : spellingsOf(id))),
    ),
    accounts: await readAccountOwners(
      sql,
      differing.flatMap(({ accounts }) => accounts),
    ),
  };
}

/**
 * What an import would do with a batch. Reads only.
 * @param disabled users that the batches before would have disabled
 */
export async function rehearseBatch(
  { sql, random }: Pick<Ports, 'sql' | 'random'>,
  {
    provider,
    map,
    records,
    disabled,
  }: {
    readonly provider: string;
    readonly map: ImportMap;
    readonly records: readonly BatchRecord[];
    readonly disabled: ReadonlySet<string>;
  },
): Promise<BatchPlan> {
  const found = await readFound(sql, provider, usersIn(records), false);
  const admins = new Set([...found.admins].filter((id) => !disabled.has(id)));
  return planBatch(records, { ...found, admins }, map, () => random.uuid());
}

type Sealed = ReadonlyMap<string, { readonly secret: string; readonly codes: string }>;

/** Encrypts the second factors of a batch, before its transaction. */
export async function sealFactors({ factorSeal }: HasFactorSeal, records: readonly BatchRecord[]): Promise<Sealed> {
  const sealed = new Map<string, { secret: string; codes: string }>();
  for (const { legacy_id: id, totp_secret: secret, recovery_codes: codes } of usersIn(records)) {
    if (secret === null) continue;
    sealed.set(id, {
      secret: await factorSeal.seal(importedSecret(secret)),
      codes: await factorSeal.seal(JSON.stringify(codes)),
    });
  }
  return sealed;
}

/** Writes a batch in the transaction, and returns what it did. */
export async function writeBatch(
  tx: Tx,
  { random, relyingPartyId }: BatchPorts,
  {
    provider,
    map,
    records,
    sealed,
  }: {
    readonly provider: string;
    readonly map: ImportMap;
    readonly records: readonly BatchRecord[];
    readonly sealed: Sealed;
  },
): Promise<BatchPlan> {
  const found = await readFound(tx, provider, usersIn(records), true);
  const plan = planBatch(records, found, map, () => random.uuid());
  const inserted = await insertUsers(
    tx,
    plan.created.map(({ id, user }) => ({
      ...rowOf(id, user, user.factors_lost.length > 0),
      created_at: timeOf(user),
      disabled: user.disabled,
    })),
  );
  const created = plan.created.filter(({ id }) => inserted.has(id));
  // Signed up, or imported from elsewhere, since the batch was read.
  const overtaken = plan.created
    .filter(({ id }) => !inserted.has(id))
    .map(({ user, record: { record, line } }) => ({ record, line, reason: 'email_conflict', value: user.email }));
  await insertParts(tx, partsOf(created, sealed, relyingPartyId), false);
  await updateUsers(
    tx,
    plan.changed.map(({ id, user, setsEmail, disables, owesFactor }) => ({
      ...rowOf(id, user, owesFactor),
      sets_email: setsEmail,
      disables,
    })),
  );
  await insertParts(tx, changedParts(plan.changed), true);
  await upsertLegacyUsers(tx, provider, legacyRows({ ...plan, created }, map));
  return { ...plan, created, rejects: [...plan.rejects, ...overtaken] };
}

const timeOf = ({ created_at: createdAt }: CheckedUser): string | null => createdAt?.toISOString() ?? null;

const rowOf = (id: string, { email, name, image, email_verified: verified }: CheckedUser, owes: boolean) => ({
  id,
  email,
  name,
  image,
  verified,
  owes,
});

function partsOf(created: readonly NewUser[], sealed: Sealed, relyingPartyId: string): UserParts {
  return {
    passwords: created.flatMap(({ id, user: { password_hash: hash } }) =>
      hash === null ? [] : { id, hash: storedDigest(hash) },
    ),
    accounts: created.flatMap(({ id, user }) => user.accounts.map((account) => ({ id, ...account }))),
    roles: created.flatMap(({ id, user }) => user.roles.map((role) => ({ id, role }))),
    totp: created.flatMap(({ id, user }) => {
      const factor = sealed.get(user.legacy_id);
      return factor === undefined ? [] : { id, ...factor, left_count: user.recovery_codes.length };
    }),
    passkeys: created.flatMap(({ id, user }) =>
      user.passkeys
        .filter(({ rp_id: rpId }) => rpId === relyingPartyId)
        .map(({ transports, ...passkey }) => ({ id, ...passkey, transports: transports.join(',') })),
    ),
    metadata: metadataOf(created),
  };
}

const changedParts = (changed: readonly ChangedUser[]): UserParts => ({
  passwords: changed.flatMap(({ id, setsPassword, user: { password_hash: hash } }) =>
    setsPassword && hash !== null ? { id, hash: storedDigest(hash) } : [],
  ),
  accounts: changed.flatMap(({ id, user }) => user.accounts.map((account) => ({ id, ...account }))),
  roles: [],
  totp: [],
  passkeys: [],
  metadata: metadataOf(changed),
});

const metadataOf = (users: readonly { readonly id: string; readonly user: CheckedUser }[]): UserParts['metadata'] =>
  users.flatMap(({ id, user: { metadata } }) => (Object.keys(metadata).length === 0 ? [] : { id, metadata }));

/** The user of the source that each is: a linked account keeps its own address and password. */
function legacyRows({ created, changed, linked }: BatchPlan, { lazy }: ImportMap) {
  const row = (id: string, user: CheckedUser, isOwn: boolean, setsPassword: boolean) => ({
    legacy_id: user.legacy_id,
    id,
    content: user.contentSha256,
    email: isOwn ? user.emailSha256 : null,
    password: setsPassword ? user.passwordSha256 : null,
    sets_password: setsPassword,
    lazy: isOwn && lazy && user.password_hash === null,
    factors_lost: user.factors_lost.length > 0,
  });
  return [
    ...created.map(({ id, user }) => row(id, user, true, user.password_hash !== null)),
    ...changed.map(({ id, user, setsEmail, setsPassword }) => row(id, user, setsEmail, setsPassword)),
    ...linked.map(({ id, user }) => row(id, user, false, false)),
  ];
}
