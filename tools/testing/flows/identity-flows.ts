// For tests only: requests of browsers to the routes of identity.
import { createHash } from 'node:crypto';
import { type HttpAnswer, newPerson, send } from '../harness/identity.ts';

type At = { readonly url: string };
type Login = { readonly email: string; readonly password: string };
type Options = { readonly cookie?: string; readonly headers?: Record<string, string> };

/** The API's origin: pages of this origin are its own. */
export const OWN_ORIGIN = 'http://api.sallyport.test';

export const signUp = (at: At, person: object = newPerson(), options: Options = {}): Promise<HttpAnswer> =>
  send(at, 'POST', '/api/auth/signup', { body: person, ...options });

export const signIn = (at: At, { email, password }: Login, options: Options = {}): Promise<HttpAnswer> =>
  send(at, 'POST', '/api/auth/signin', { body: { email, password }, ...options });

export const readSession = (at: At, cookie: string): Promise<HttpAnswer> =>
  send(at, 'GET', '/api/auth/session', { cookie });

/** By the double-submit token of the cookie, as a page without an Origin would. */
export const signOut = (at: At, cookie: string, path = '/api/auth/signout'): Promise<HttpAnswer> =>
  send(at, 'POST', path, { cookie, headers: { 'x-csrf-token': csrfOf(cookie) } });

export const csrfOf = (cookie: string): string => /sallyport\.csrf=([^;]+)/.exec(cookie)?.[1] ?? '';

/** The session token in a cookie, without its signature. */
export const sessionTokenOf = (cookie: string): string =>
  decodeURIComponent(/session_token=([^;]+)/.exec(cookie)?.[1] ?? '').split('.')[0] ?? '';

/** Where Redis holds the session of a cookie. */
export const redisKeyOf = (cookie: string): string =>
  `auth:{${createHash('sha256').update(sessionTokenOf(cookie)).digest('base64url')}}`;
