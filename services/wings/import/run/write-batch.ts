import { importedSecret } from '#services/core/identity/factors/totp.ts';
import { storedDigest } from '#services/core/identity/passwords/inspect-imported.ts';
import { readActiveAdmins } from '#services/core/identity/users/assert-admin-stays.ts';
import type { Ports, Sql, Tx } from '#services/core/ports.ts';
import type { ImportMap } from '../import-shapes.ts';
import type { CheckedUser } from './check-user.ts';
import {
  endLazy,
  fillUsers,
  insertParts,
  insertUsers,
  lockSource,
  lockUsers,
  markVerified,
  readAccountOwners,
  readAddressOwners,
  readKnownUsers,
  readOwnSignoffRoles,
  readTakenIds,
  type UserParts,
  updateUsers,
  upsertLegacyUsers,
} from './imported-users.store.ts';
import type { ImportRow } from './imports.store.ts';
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

type Batch = {
  readonly provider: string;
  readonly map: ImportMap;
  readonly records: readonly BatchRecord[];
  /** Who asked for the import. */
  readonly askedBy: Pick<ImportRow, 'actor_kind' | 'actor_id'>;
};

/** What is known here of the users of a batch. @param mark given if it is written: those that changed are locked until commit */
async function readFound(sql: Sql, { provider, records, askedBy }: Batch, mark?: typeof markVerified): Promise<Found> {
  const locks = mark !== undefined;
  const users = usersIn(records);
  const ids = users.map(({ legacy_id: id }) => id);
  const admins = users.some(({ disabled }) => disabled) ? await readActiveAdmins(sql, locks) : new Set<string>();
  let known = new Map((await readKnownUsers(sql, provider, ids)).map((row) => [row.legacy_id, row]));
  const changed = users.flatMap(({ legacy_id: id, contentSha256 }) => {
    const row = known.get(id);
    return row?.user_id != null && row.content_sha256 !== contentSha256 ? row.user_id : [];
  });
  const emails = users.flatMap(({ legacy_id: id, contentSha256, email }) =>
    known.get(id)?.content_sha256 === contentSha256 ? [] : email,
  );
  const verified = users.flatMap(({ legacy_id: id, contentSha256, email_verified: isVerified }) => {
    const row = known.get(id);
    return isVerified && row?.content_sha256 === contentSha256 && !row.was_verified ? id : [];
  });
  await mark?.(sql, provider, verified);
  const ownersOf = () => readAddressOwners(sql, provider, emails, verified);
  let owners = emails.length === 0 ? [] : await ownersOf();
  const people = owners.flatMap(({ user_id: id, is_known: isKnown }) => (isKnown ? id : []));
  if (locks && changed.length + people.length > 0) {
    // A user may change the password, or be deleted, until the lock is taken: what counts is what is there then.
    await lockUsers(sql, [...changed, ...people]);
    known = new Map((await readKnownUsers(sql, provider, ids)).map((row) => [row.legacy_id, row]));
    owners = emails.length === 0 ? [] : await ownersOf();
  }
  const differing = users.filter(({ legacy_id: id, contentSha256 }) => known.get(id)?.content_sha256 !== contentSha256);
  if (differing.length === 0)
    return { known, admins, owners: new Map(), takenIds: new Set(), accounts: new Map(), selfGranted: new Set() };
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
    selfGranted: await readOwnSignoffRoles(sql, differing, askedBy),
  };
}

/**
 * What an import would do with a batch. Reads only.
 * @param disabled users that the batches before would have disabled; `earlier`: people that they would have written
 */
export async function rehearseBatch(
  { sql, random }: Pick<Ports, 'sql' | 'random'>,
  {
    disabled,
    earlier,
    ...batch
  }: Batch & { readonly disabled: ReadonlySet<string>; readonly earlier: NonNullable<Found['earlier']> },
): Promise<BatchPlan> {
  const found = await readFound(sql, batch);
  const admins = new Set([...found.admins].filter((id) => !disabled.has(id)));
  return planBatch(batch.records, { ...found, admins, earlier }, batch.map, () => random.uuid());
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
  { sealed, ...batch }: Batch & { readonly sealed: Sealed },
): Promise<BatchPlan> {
  const { provider, map, records } = batch;
  await lockSource(tx, provider);
  const found = await readFound(tx, batch, markVerified);
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
    plan.changed.map(({ id, user, setsEmail, disables, owesFactor, isJoined }) => ({
      ...rowOf(id, user, owesFactor),
      sets_email: setsEmail,
      disables,
      joined: isJoined,
    })),
  );
  await insertParts(tx, changedParts(plan.changed), true);
  await joinUsers(tx, plan, sealed, relyingPartyId);
  await upsertLegacyUsers(tx, provider, legacyRows({ ...plan, created }, map));
  return { ...plan, created, rejects: [...plan.rejects, ...overtaken] };
}

/** Adds what other rows of a person bring; a user that this batch could not create gets none. */
async function joinUsers(tx: Tx, plan: BatchPlan, sealed: Sealed, relyingPartyId: string): Promise<void> {
  const own = plan.joined.filter(({ isLinked }) => !isLinked);
  const parts = partsOf(own, sealed, relyingPartyId);
  const passwords = own.flatMap(({ id, setsPassword, user: { password_hash: hash } }) =>
    setsPassword && hash !== null ? { id, hash: storedDigest(hash) } : [],
  );
  await insertParts(tx, { ...parts, passwords, metadata: [] }, true);
  await fillUsers(
    tx,
    own.map(({ id, user: { name, image, factors_lost: lost } }) => ({ id, name, image, owes: lost.length > 0 })),
    [...parts.metadata, ...metadataOf(plan.changed.filter(({ isJoined }) => isJoined))],
  );
  await endLazy(
    tx,
    passwords.map(({ id }) => id),
  );
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

function partsOf(created: readonly Pick<NewUser, 'id' | 'user'>[], sealed: Sealed, relyingPartyId: string): UserParts {
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
  metadata: metadataOf(changed.filter(({ isJoined }) => !isJoined)),
});

const metadataOf = (users: readonly { readonly id: string; readonly user: CheckedUser }[]): UserParts['metadata'] =>
  users.flatMap(({ id, user: { metadata } }) => (Object.keys(metadata).length === 0 ? [] : { id, metadata }));

/** The user of the source that each is: a linked account keeps its own address and password. */
function legacyRows({ created, changed, linked, joined, people }: BatchPlan, { lazy }: ImportMap) {
  const row = (id: string, user: CheckedUser, isOwn: boolean, setsPassword: boolean, isJoined = false) => ({
    legacy_id: user.legacy_id,
    id,
    content: user.contentSha256,
    email: isOwn ? user.emailSha256 : null,
    password: setsPassword ? user.passwordSha256 : null,
    sets_password: setsPassword,
    lazy: isOwn && lazy && user.password_hash === null && !people.get(user.email)?.hasPassword,
    joined: isJoined,
    verified: user.email_verified,
    factors_lost: user.factors_lost.length > 0,
  });
  return [
    ...created.map(({ id, user }) => row(id, user, true, user.password_hash !== null)),
    ...changed.map(({ id, user, setsEmail, setsPassword }) => row(id, user, setsEmail, setsPassword)),
    ...linked.map(({ id, user }) => row(id, user, false, false)),
    ...joined.map(({ id, user, isLinked, setsPassword }) => row(id, user, !isLinked, setsPassword, true)),
  ];
}
