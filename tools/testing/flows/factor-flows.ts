// For tests only: actions of users with second factors.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { codeOf } from '../fakes/totp.ts';
import { type HttpAnswer, newPerson, send } from '../harness/identity.ts';
import { OWN_ORIGIN, signUp } from './identity-flows.ts';

type At = { readonly url: string };

export type Enrolled = {
  readonly person: ReturnType<typeof newPerson>;
  readonly userId: string;
  /** The secret in the authenticator app. */
  readonly uri: string;
  readonly codes: readonly string[];
  /** Of the session of two factors. */
  readonly cookie: string;
  readonly confirmed: HttpAnswer;
};

/** A write from a page of our own. */
export const act = (at: At, cookie: string, path: string, body: object = {}, method = 'POST'): Promise<HttpAnswer> =>
  send(at, method, path, { body, cookie, headers: { origin: OWN_ORIGIN } });

export const enable = (at: At, cookie: string, password: string): Promise<HttpAnswer> =>
  act(at, cookie, '/api/auth/two-factor/enable', { password });

/** Retries while a busy copy answers 503. */
async function signedUp(at: At, person: ReturnType<typeof newPerson>): Promise<HttpAnswer> {
  for (let tries = 0; ; tries += 1) {
    const answered = await signUp(at, person);
    if (answered.status !== 503 || tries === 5) return answered;
    await sleep(1_000);
  }
}

/** A new account with a confirmed authenticator app. */
export async function enrolled(at: At): Promise<Enrolled> {
  const person = newPerson();
  const { status, cookie, body } = await signedUp(at, person);
  expect(status, JSON.stringify(body)).toBe(201);
  const enrolment = await enable(at, cookie, person.password);
  expect(enrolment.status).toBe(200);
  const { totp_uri: uri, recovery_codes: codes } = enrolment.body;
  const confirmed = await act(at, cookie, '/api/auth/two-factor/confirm', { code: codeOf(uri) });
  expect(confirmed.status).toBe(200);
  return { person, userId: body.user.id, uri, codes, cookie: confirmed.cookie, confirmed };
}

/** The second half of a sign-in. */
export const answer = (at: At, body: object, cookie?: string): Promise<HttpAnswer> =>
  send(at, 'POST', '/api/auth/second-factor', { body, ...(cookie ? { cookie } : {}) });
