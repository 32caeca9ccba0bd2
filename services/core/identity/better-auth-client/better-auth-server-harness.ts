// For tests only: a Better Auth server that is not ours.
import { randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { betterAuth } from 'better-auth/minimal';
import { toNodeHandler } from 'better-auth/node';
import { jwt } from 'better-auth/plugins/jwt';
import { cookieOf, send } from '#tools/testing/http-client.ts';
import { listening } from '#tools/testing/listening.ts';

/** A whole Better Auth server with its own users, as an application has it that moves here. */
export async function startBetterAuth() {
  const { url, close } = await listening(createServer((request, response) => void handle(request, response)));
  const tables = { user: [], session: [], account: [], verification: [], jwks: [] };
  const auth = betterAuth({
    baseURL: url,
    secret: randomBytes(32).toString('hex'),
    database: memoryAdapter(tables),
    emailAndPassword: { enabled: true },
    telemetry: { enabled: false },
    logger: { disabled: true },
    plugins: [
      jwt({
        jwt: {
          definePayload: ({ user, session }) => ({
            sid: session.id,
            email: user.email,
            email_verified: user.emailVerified,
            auth_time: Math.floor(session.createdAt.getTime() / 1_000),
            amr: ['pwd'],
          }),
        },
      }),
    ],
  });
  const handle = toNodeHandler(auth);
  return {
    url,
    /** Signs a new user up there; the id and the token of the live session. */
    async liveSession(): Promise<{ readonly id: string; readonly token: string }> {
      const json = { email: `${randomUUID()}@people.test`, password: randomUUID(), name: 'Ada' };
      const signedUp = await send(url, 'POST', '/api/auth/sign-up/email', { json, headers: { origin: url } });
      const { body } = await send(url, 'GET', '/api/auth/token', { cookie: cookieOf(signedUp) });
      return { id: signedUp.body.user.id, token: body.token };
    },
    close,
  };
}
