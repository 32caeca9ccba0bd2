import { z } from 'zod';

export const PAGE = { contentType: 'text/html; charset=utf-8' } as const;

/** No control characters and no halves of surrogate pairs: PostgreSQL stores neither NUL nor those. */
const PLAIN = /^[^\p{Cc}\p{Cs}]*$/u;

/** Unrecognised parameters are ignored (RFC 6749 §3.2); a repeated one is no string and refused. */
export const optionalParameter = (maximum: number) => z.string().max(maximum).regex(PLAIN).optional();

export const formToken = z.string().max(128);

/** `switch`: sign out, and in as somebody else, before anything is decided. */
export const decision = z.enum(['allow', 'deny', 'switch']);
