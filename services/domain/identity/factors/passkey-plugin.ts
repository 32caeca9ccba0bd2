import type { AsyncLocalStorage } from 'node:async_hooks';
import { passkey } from '@better-auth/passkey';
import { APIError } from 'better-auth/api';
import { withSecondFactor } from '../assurance.ts';
import type { Handover } from '../handover.ts';

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|\[::1\])$/;

/** WebAuthn names no addresses (§5.1.2): on one's own machine the relying party is `localhost`. */
export function relyingParty(baseUrl: string): { readonly rpID: string; readonly origins: readonly string[] } {
  const { hostname, origin, protocol, port } = new URL(baseUrl);
  if (!LOOPBACK.test(hostname)) return { rpID: hostname, origins: [origin] };
  return { rpID: 'localhost', origins: [origin, `${protocol}//localhost${port === '' ? '' : `:${port}`}`] };
}

/** Without a verified user a passkey is one factor, and no better than a password: it does not count. */
function assertVerified(isVerified: boolean | undefined): void {
  if (!isVerified) throw new APIError('UNAUTHORIZED', { code: 'USER_NOT_VERIFIED' });
}

/** RFC 8176: a key that never leaves its device, or one that its owner's devices share; and its verified user. */
export const methodsOf = (deviceType: string): readonly string[] => [
  deviceType === 'singleDevice' ? 'hwk' : 'swk',
  'user',
];

/** Better Auth's passkeys, counted only with user verification, and then as two factors. */
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
      afterVerification: async ({ verification }) => {
        assertVerified(verification.registrationInfo?.userVerified);
      },
    },
    authentication: {
      afterVerification: async ({ verification: { authenticationInfo } }) => {
        assertVerified(authenticationInfo.userVerified);
        const open = handover.getStore();
        if (open) open.assurance = withSecondFactor([], methodsOf(authenticationInfo.credentialDeviceType));
      },
    },
  });
}
