import type { AsyncLocalStorage } from 'node:async_hooks';
import type { BetterAuthOptions } from '@better-auth/core';
import { getIP } from '@better-auth/core/utils/ip';
import { APIError, createAuthEndpoint } from 'better-auth/api';
import { setSessionCookie } from 'better-auth/cookies';
import { z } from 'zod';
import type { Clock, Ports, Tx } from '#services/core/ports.ts';
import { UNNAMED } from '../users/assurance.ts';
import { type Handover, required } from './handover.ts';
import type { AuthSession } from './live-session.ts';
import { renewSession } from './renew-session.store.ts';
import { lifeOf, type SessionLife } from './session-life.ts';

/**
 * Opens a session for a user that a use-case has authenticated: each of Better Auth's own endpoints would verify a
 * credential. It has no path, so no request reaches it.
 */
export const sessionPlugin = () => ({
  id: 'sallyport-session',
  endpoints: {
    openSession: createAuthEndpoint.serverOnly(
      { method: 'POST', body: z.object({ userId: z.string() }) },
      async (ctx) => {
        const { internalAdapter } = ctx.context;
        const user = required(await internalAdapter.findUserById(ctx.body.userId));
        const session = await internalAdapter.createSession(user.id);
        await setSessionCookie(ctx, { session, user });
        return ctx.json({});
      },
    ),
  },
});

type RenewPorts = Pick<Ports, 'clock' | 'random'> & { readonly authDatabase: { currentTx(): Tx } };
/** A call of Better Auth, with the headers of `engineHeaders`. */
type EngineCall = { readonly headers?: Headers | undefined; readonly context: { readonly options: BetterAuthOptions } };

/**
 * Stands in for Better Auth's `createSession` in a call that renews a session, whichever endpoint makes it. Throws
 * UNAUTHORIZED if the session is another user's.
 */
export const renewInstead =
  ({ clock, random, authDatabase }: RenewPorts, life: SessionLife, open: Handover, { headers, context }: EngineCall) =>
  async (userId: string): Promise<AuthSession> => {
    const sent = required(headers);
    const nowMs = clock.now();
    const { assurance = UNNAMED, expiresAt = new Date(nowMs + life.sessionSeconds * 1_000), renews } = open;
    const renewed = await renewSession(authDatabase.currentTx(), {
      ...required(renews),
      ...assurance,
      userId,
      nextToken: random.bytes(24).toString('base64url'),
      authenticatedAt: new Date(nowMs),
      expiresAt: lifeOf(life, { acr: assurance.acr, expiresAt, nowMs }),
      ipAddress: getIP(sent, context.options),
      userAgent: sent.get('user-agent'),
    });
    if (!renewed) throw new APIError('UNAUTHORIZED', { code: 'SESSION_OF_ANOTHER_USER' });
    return renewed;
  };

/**
 * Stores in every new session how its user authenticated, and sets the lifetime for that, whichever endpoint of Better
 * Auth creates the session.
 */
export const sessionFacts = (handover: AsyncLocalStorage<Handover>, clock: Clock, life: SessionLife) => ({
  create: {
    before: async (session: Record<string, unknown> & { readonly expiresAt: Date }) => {
      const { assurance = UNNAMED, expiresAt = session.expiresAt, createdAt } = required(handover.getStore());
      const { amr, acr } = assurance;
      const ends = lifeOf(life, { acr, expiresAt, nowMs: clock.now() });
      return { data: { ...session, amr: [...amr], acr, expiresAt: ends, ...(createdAt ? { createdAt } : {}) } };
    },
  },
});
