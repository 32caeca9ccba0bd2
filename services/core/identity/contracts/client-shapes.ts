import { z } from 'zod';
import { component, componentNames } from '#services/platform/define/component-names.ts';
import { sessionShape, signInShape, userShape } from './sign-in-contract.ts';

/** Shapes that Better Auth's own client expects; ours add members, and take none away. */

const clientUserShape = userShape
  .extend({ name: z.string(), twoFactorEnabled: z.boolean() })
  .register(componentNames, { id: 'BetterAuthUser' });

/** `token` names the session to `revokeSession`. It is the id of the session: it authenticates no request. */
export const clientSessionShape = sessionShape
  .extend({ token: z.string() })
  .register(componentNames, { id: 'BetterAuthSession' });

export const clientLiveSessionShape = z
  .object({ user: clientUserShape, session: clientSessionShape })
  .register(componentNames, { id: 'BetterAuthLiveSession' });

export const clientSignInShape = signInShape
  .extend({ token: z.string(), user: clientUserShape, session: clientSessionShape })
  .register(componentNames, { id: 'BetterAuthSignIn' });

export const clientPasskeyShape = component('BetterAuthPasskey', {
  id: z.string(),
  userId: z.string(),
  name: z.string().nullable(),
  publicKey: z.string(),
  credentialID: z.string(),
  counter: z.number(),
  deviceType: z.string(),
  backedUp: z.boolean(),
  transports: z.string().nullable(),
  aaguid: z.string().nullable(),
  createdAt: z.string(),
});

export const done = z.object({ status: z.literal(true) }).register(componentNames, { id: 'Done' });

export type ClientUser = z.output<typeof clientUserShape>;
export type ClientSession = z.output<typeof clientSessionShape>;
export type ClientPasskey = z.output<typeof clientPasskeyShape>;
export type ClientSignIn = z.output<typeof clientSignInShape>;

/** The page of an application to which the browser returns; a path of our origin, or an address on a listed one. */
export const returnTo = z.string().max(2_048);
