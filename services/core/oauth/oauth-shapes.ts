import { z } from 'zod';

export const PAGE = { contentType: 'text/html; charset=utf-8' } as const;

/** What endpoints of pages have in common: anyone may open one. */
export const shownPage = { auth: 'public', responses: { 200: PAGE, 303: null, 400: PAGE } } as const;

/** The same of their forms: the session cookie and the token in the form say whose they are. */
export const sentForm = {
  method: 'POST',
  auth: 'public',
  limit: 'credential',
  bodyType: 'form',
  responses: { 200: PAGE, 303: null, 400: PAGE, 403: PAGE },
} as const;

/** Excludes control characters and lone surrogates: PostgreSQL cannot store NUL or lone surrogates. */
const PLAIN = /^[^\p{Cc}\p{Cs}]*$/u;

/** Unknown parameters are ignored (RFC 6749 §3.2); a repeated one is not a string and is refused. */
export const optionalParameter = (maximum: number) => z.string().max(maximum).regex(PLAIN).optional();

/** Maximum length of each supported parameter of an authorization request; others are ignored (RFC 6749 §3.1). */
export const LONGEST: Readonly<Record<string, number>> = {
  redirect_uri: 2_048,
  response_type: 64,
  response_mode: 32,
  scope: 2_048,
  state: 4_096,
  code_challenge: 128,
  code_challenge_method: 16,
  nonce: 512,
  prompt: 64,
  max_age: 10,
  login_hint: 254,
  id_token_hint: 4_096,
  acr_values: 256,
  claims: 4_096,
  resource: 512,
  authorization_details: 4_096,
  dpop_jkt: 43,
  request: 8_192,
  request_uri: 2_048,
  client_id: 255,
};

/** JSON, which may have line breaks; what it means is read where it is granted. */
export const authorizationDetails = z.string().max(4_096).optional();

export const formTokenShape = z.string().max(128);

/** `switch`: the user signs out, and signs in as another user before deciding. */
export const decision = z.enum(['allow', 'deny', 'switch']);
