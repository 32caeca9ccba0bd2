import type { AsyncLocalStorage } from 'node:async_hooks';
import { createAuthEndpoint } from 'better-auth/api';
import { setSessionCookie } from 'better-auth/cookies';
import { z } from 'zod';
import type { Clock } from '#services/domain/ports.ts';
import { UNNAMED } from '../assurance.ts';
import { lifeOf, type SessionLife } from '../sessions/session-life.ts';
import { type Handover, required } from './handover.ts';

/**
 * Opens a session for a user authenticated by a use-case; each of Better Auth's endpoints checks a credential
 * itself. Server-only: it has no path.
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
 * Every session records how its user authenticated and gets the lifetime for it, whichever endpoint of Better Auth
 * creates it.
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
