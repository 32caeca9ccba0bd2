import { recordEvent } from '#services/core/audit/record-event.ts';
import { shownSecret } from '#services/core/identity/factors/totp.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { LegacyUser } from '../adapters/adapter.ts';
import { type UserFileFormat, userFiles } from '../adapters/generic.ts';
import { formatOf } from '../adapters/members.ts';
import { usersExported } from '../audit-events.ts';
import type { ImportMap } from '../import-shapes.ts';
import { type ExportedRow, readExportPage } from './exported-users.store.ts';
import type { HasFactorSeal, HasRelyingParty } from './write-batch.ts';

export type ExportInput = {
  readonly format: UserFileFormat;
  /** The system whose ids, and roles by the mapping, its users have. */
  readonly idsOf: string;
  readonly map: ImportMap;
  readonly reason: string;
  onProgress?(progress: { readonly users: number }): void;
};

export type Exported = {
  readonly users: number;
  /** Users whose hash only this installation can verify: they need a new password elsewhere. */
  readonly withoutHash: number;
};

const PAGE = 1_000;
/** Longer passwords than bcrypt takes are hashed with a secret of this installation first. */
const OURS_ALONE = '$sp1$';

/**
 * Writes every user, as text for `write`. A user that was imported from the system `idsOf` has its id there. The event is
 * written first: an export that breaks off has shown hashes too.
 */
export async function exportUsers(
  ports: Pick<Ports, 'transact' | 'sql'> & HasFactorSeal & HasRelyingParty,
  { format, idsOf, map, reason, onProgress }: ExportInput,
  write: (text: string) => Promise<void>,
  caller: Caller,
): Promise<Exported> {
  let users = 0;
  let withoutHash = 0;
  await ports.transact((tx) =>
    recordEvent(tx, caller, usersExported, {
      target: { kind: 'installation', id: 'users' },
      detail: { kind: idsOf, reason },
    }),
  );
  async function* all(): AsyncGenerator<LegacyUser> {
    let after = '';
    for (;;) {
      const page = await readExportPage(ports.sql, idsOf, after, PAGE);
      for (const row of page) {
        if (row.digest?.startsWith(OURS_ALONE)) withoutHash += 1;
        yield await userOf(ports, row, map);
      }
      users += page.length;
      onProgress?.({ users });
      if (page.length < PAGE) return;
      after = page.at(-1)?.id ?? after;
    }
  }
  for await (const text of userFiles[format](all(), map)) await write(text);
  return { users, withoutHash };
}

async function userOf(
  { factorSeal, relyingPartyId }: HasFactorSeal & HasRelyingParty,
  row: ExportedRow,
  map: ImportMap,
): Promise<LegacyUser> {
  const hash = row.digest === null || row.digest.startsWith(OURS_ALONE) ? null : row.digest;
  return {
    legacy_id: row.legacy_id ?? row.id,
    email: row.email,
    email_verified: row.email_verified,
    name: row.name,
    image: row.image,
    created_at: row.created_at,
    disabled: row.disabled,
    password_hash: hash,
    password_format: formatOf(hash),
    roles: rolesThere(row.roles, map),
    metadata: row.metadata ?? {},
    accounts: row.accounts,
    totp_secret: row.secret === null ? null : shownSecret(await factorSeal.open(row.secret)),
    recovery_codes: row.codes === null ? [] : (JSON.parse(await factorSeal.open(row.codes)) as string[]),
    factors_lost: row.owes_factor ? ['unknown'] : [],
    passkeys: row.passkeys.map(({ transports, ...passkey }) => ({
      ...passkey,
      rp_id: relyingPartyId,
      transports: transports === null || transports === '' ? [] : transports.split(','),
    })),
  };
}

/** Roles by their names there, if the mapping has one; every user has the role `user`, which says nothing. */
function rolesThere(roles: readonly string[], map: ImportMap): readonly string[] {
  const there = new Map(Object.entries(map.roles).flatMap(([theirs, ours]) => (ours === null ? [] : [[ours, theirs]])));
  return roles.filter((role) => role !== 'user').map((role) => there.get(role) ?? role);
}
