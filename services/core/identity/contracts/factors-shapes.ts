import { z } from 'zod';
import { componentNames } from '#services/platform/define/component-names.ts';

/** Shared parts of the contracts of second factors and passkeys. */

export const TAG = 'Second factors';
export const own = { accepts: ['session', 'bearer'], for: 'person', subject: 'own' } as const;
export const ownFresh = { ...own, stepUp: true } as const;

// Only bounds the input: text in another format is refused as a wrong code.
export const totp = z.string().max(16);
export const recovery_code = z.string().max(32);
export const password = z.string().max(4_096);
export const challenge = z
  .string()
  .min(16)
  .max(256)
  .regex(/^[\w.%+/=-]+$/);

export const base64url = (maximum: number) =>
  z
    .string()
    .max(maximum)
    .regex(/^[\w-]*$/);

/** WebAuthn §5.1: the result of `PublicKeyCredential.toJSON`; unknown members of newer browsers are ignored. */
export const credential = (response: z.ZodType) =>
  z.looseObject({
    id: base64url(1_400).min(1),
    rawId: base64url(1_400).min(1),
    type: z.literal('public-key'),
    authenticatorAttachment: z.enum(['platform', 'cross-platform']).nullish(),
    clientExtensionResults: z.record(z.string().max(64), z.unknown()),
    response,
  });
export const assertion = credential(
  z.looseObject({
    clientDataJSON: base64url(4_096),
    authenticatorData: base64url(4_096),
    signature: base64url(2_048),
    userHandle: base64url(128).nullish(),
  }),
).register(componentNames, { id: 'PasskeyAssertion' });
