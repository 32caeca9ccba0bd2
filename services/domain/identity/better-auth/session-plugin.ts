import type { AsyncLocalStorage } from 'node:async_hooks';
import { createAuthEndpoint } from 'better-auth/api';
import { setSessionCookie } from 'better-auth/cookies';
import { z } from 'zod';
import type { Clock } from '#services/domain/ports.ts';
import { UNNAMED } from '../assurance.ts';
import { lifeOf, type SessionLife } from '../sessions/session-life.ts';
import { type Handover, required } from './handover.ts';

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
