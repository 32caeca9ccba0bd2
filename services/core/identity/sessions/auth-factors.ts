import type { AsyncLocalStorage } from 'node:async_hooks';
import { isAPIError } from 'better-auth/api';
import { symmetricDecrypt, symmetricEncrypt } from 'better-auth/crypto';
import type { RequestContext } from '#services/core/ports.ts';
import { factorConflict } from '../contracts/factors-errors.ts';
import type { createAuthEngine } from './auth-engine.ts';
import { engineHeaders, HANDED_OVER, type Handover, required } from './handover.ts';

type Engine = ReturnType<typeof createAuthEngine>;

/** The parts of Better Auth's second-factor plugin that our use-cases use. */
export type AuthFactors = {
  /** Encrypts with the plugin's key, as the plugin does for its rows. */
  seal(plain: string): Promise<string>;
  open(sealed: string): Promise<string>;
  /** Creates a secret and recovery codes, not confirmed yet, for an account whose password was verified. */
  enableTotp(
    input: { readonly userId: string; readonly verifiedDigest: string },
    request: RequestContext,
  ): Promise<{ readonly totpUri: string; readonly recoveryCodes: readonly string[] }>;
};

/** A refusal by the plugin is a conflict; other errors are unchanged. */
function asConflict(err: unknown): never {
  throw isAPIError(err) ? factorConflict({ cause: err }) : err;
}

export function createAuthFactors(engine: Engine, handover: AsyncLocalStorage<Handover>): AuthFactors {
  const keyOf = async () => (await engine.$context).secretConfig;

  /** Runs `work` as a user authenticated by a use-case. */
  async function actingFor<T>(userId: string, given: Partial<Handover>, work: () => Promise<T>): Promise<T> {
    const { internalAdapter } = await engine.$context;
    const user = required(await internalAdapter.findUserById(userId));
    const session = { id: '', userId, token: '', createdAt: new Date(), expiresAt: new Date(Date.now() + 60_000) };
    const as = { user, session } as unknown as NonNullable<Handover['as']>;
    const afterCommit = handover.getStore()?.afterCommit ?? null;
    return handover.run({ ...given, afterCommit, as }, work);
  }

  return {
    seal: async (plain) => symmetricEncrypt({ key: await keyOf(), data: plain }),
    open: async (sealed) => symmetricDecrypt({ key: await keyOf(), data: sealed }),
    enableTotp: ({ userId, verifiedDigest }, request) =>
      actingFor(userId, { verifiedDigest }, async () => {
        const made = await engine.api
          .enableTwoFactor({ body: { password: HANDED_OVER, method: 'totp' }, headers: engineHeaders(request) })
          .catch(asConflict);
        const { totpURI, backupCodes } = made as Extract<typeof made, { method: 'totp' }>;
        return { totpUri: totpURI, recoveryCodes: backupCodes };
      }),
  };
}
