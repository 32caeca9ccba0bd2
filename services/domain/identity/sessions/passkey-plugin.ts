import type { AsyncLocalStorage } from 'node:async_hooks';
import { passkey } from '@better-auth/passkey';
import { APIError } from 'better-auth/api';
import { withSecondFactor } from '../users/assurance.ts';
import { type FactorProof, factorVerified } from '../users/factor-proof.ts';
import { isUsableKey } from './cose-key.ts';
import type { Handover } from './handover.ts';
import { relyingParty } from './relying-party.ts';

/** Without user verification a passkey is only one factor, and is refused. */
function assertVerified(isVerified: boolean | undefined): void {
  if (!isVerified) throw new APIError('UNAUTHORIZED', { code: 'USER_NOT_VERIFIED' });
}

/** Refuses a ceremony inside another page's frame: WebAuthn §7.1 steps 10 and 11, §7.2 steps 13 and 14. */
function assertSameOrigin({ response }: { readonly response: { readonly clientDataJSON: string } }): void {
  const { crossOrigin, topOrigin } = JSON.parse(Buffer.from(response.clientDataJSON, 'base64url').toString()) as {
    readonly crossOrigin?: unknown;
    readonly topOrigin?: unknown;
  };
  const isFramed = crossOrigin !== undefined && crossOrigin !== false;
  if (isFramed || topOrigin !== undefined) throw new APIError('UNAUTHORIZED', { code: 'CROSS_ORIGIN' });
}

/**
 * The proof of a verified ceremony. RFC 8176: a device-bound key (`hwk`) or one synchronised between devices (`swk`), with
 * user verification.
 */
export const proofOf = (deviceType: string): FactorProof =>
  factorVerified([deviceType === 'singleDevice' ? 'hwk' : 'swk', 'user']);

/** Better Auth's passkeys, accepted only with user verification, and then as two factors. */
export function passkeyPlugin(
  handover: AsyncLocalStorage<Handover>,
  { baseUrl, trustedOrigins }: { readonly baseUrl: string; readonly trustedOrigins: ReadonlySet<string> },
) {
  return passkey({
    rpID: relyingParty(baseUrl).rpID,
    rpName: 'Sallyport',
    origin: [...trustedOrigins],
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    registration: {
      afterVerification: async ({ verification: { registrationInfo }, clientData }) => {
        assertVerified(registrationInfo?.userVerified);
        assertSameOrigin(clientData);
        if (registrationInfo === undefined || !isUsableKey(registrationInfo.credential.publicKey))
          throw new APIError('BAD_REQUEST', { code: 'KEY_UNUSABLE' });
      },
    },
    authentication: {
      afterVerification: async ({ verification: { authenticationInfo }, clientData }) => {
        assertVerified(authenticationInfo.userVerified);
        assertSameOrigin(clientData);
        const open = handover.getStore();
        if (open) open.assurance = withSecondFactor([], proofOf(authenticationInfo.credentialDeviceType));
      },
    },
  });
}
