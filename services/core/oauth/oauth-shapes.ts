import { z } from 'zod';

export const PAGE = { contentType: 'text/html; charset=utf-8' } as const;

/** Excludes control characters and lone surrogates: PostgreSQL cannot store NUL or lone surrogates. */
const PLAIN = /^[^\p{Cc}\p{Cs}]*$/u;

/** Unknown parameters are ignored (RFC 6749 §3.2); a repeated one is not a string and is refused. */
export const optionalParameter = (maximum: number) => z.string().max(maximum).regex(PLAIN).optional();

export const formTokenShape = z.string().max(128);

/** `switch`: the user signs out, and signs in as another user before deciding. */
export const decision = z.enum(['allow', 'deny', 'switch']);
