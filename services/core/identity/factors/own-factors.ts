import type { HasAccess } from '#services/core/access/access-directory.ts';
import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import { ownAccount } from '#services/core/authority/own-account.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { factorRenamed } from '../audit-events.ts';
import type { FactorsView } from '../contracts/factors-contract.ts';
import { passkeyUnknown } from '../contracts/factors-errors.ts';
import type { PasskeyView } from '../contracts/passkeys-contract.ts';
import { userHandleOf } from '../sessions/passkey-ceremonies.ts';
import { readFactors } from '../users/accounts.store.ts';
import { type PasskeyRow, readPasskeys, renamePasskeyRow } from '../users/passkeys.store.ts';

const passkeyView = ({ id, name, deviceType, backedUp, createdAt }: PasskeyRow): PasskeyView => ({
  id,
  name,
  device_bound: deviceType === 'singleDevice',
  backed_up: backedUp,
  created_at: createdAt.toISOString(),
});

/**
 * Returns the caller's second factors, the number of remaining recovery codes, and whether a role requires a second
 * factor.
 */
export async function listFactors(
  { sql, access }: Pick<Ports, 'sql'> & HasAccess,
  _input: unknown,
  caller: Caller,
): Promise<FactorsView> {
  const { hasTotp, passkeys, codesLeft, roles } = await readFactors(sql, ownAccount(caller).userId);
  const required = access.rolesAt(roles, null).length < roles.length;
  const hasFactor = hasTotp || passkeys > 0;
  return { totp: hasTotp, passkeys, recovery_codes_left: hasFactor ? codesLeft : 0, required };
}

export const readOwnPasskeys = async ({ sql }: Pick<Ports, 'sql'>, caller: Caller): Promise<PasskeyRow[]> =>
  readPasskeys(sql, ownAccount(caller).userId);

/** The caller's passkeys as browsers name them: the user handle, and the id of every credential. */
export async function acceptedCredentials(
  ports: Pick<Ports, 'sql'>,
  caller: Caller,
): Promise<{ readonly user: string; readonly ids: readonly string[] }> {
  const rows = await readOwnPasskeys(ports, caller);
  return { user: userHandleOf(ownAccount(caller).userId), ids: rows.map(({ credentialID }) => credentialID) };
}

export async function listPasskeys(
  ports: Pick<Ports, 'sql'>,
  _input: unknown,
  caller: Caller,
): Promise<{ passkeys: PasskeyView[] }> {
  return { passkeys: (await readOwnPasskeys(ports, caller)).map(passkeyView) };
}

/** Renames a passkey of the caller. Throws `passkey_unknown` (404), also for another user's passkey. */
export async function renamePasskey(
  { transact }: Pick<Ports, 'transact'>,
  input: { readonly id: string; readonly name: string },
  caller: Caller,
): Promise<PasskeyView> {
  const { userId } = ownAccount(caller);
  const row = await transact(async (tx) => {
    await setAuditContext(tx, caller, 'factor_renamed');
    const renamed = await renamePasskeyRow(tx, userId, input);
    if (!renamed) throw passkeyUnknown();
    const target = { kind: 'user', id: userId } as const;
    await recordEvent(tx, caller, factorRenamed, { target, detail: { factor: 'passkey' } });
    return renamed;
  });
  return passkeyView(row);
}
