import { z } from 'zod';

/** RFC 7523 §2.2. */
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** Longest assertion that is read, in characters. */
export const LONGEST_ASSERTION = 8_192;

/** Form parameters with which a client authenticates by its keys (RFC 7521 §4.2). */
export const clientAssertion = {
  client_assertion_type: z.string().max(128).optional(),
  client_assertion: z.string().max(LONGEST_ASSERTION).optional(),
};

/** Both parameters, and the client that the form names, as they were sent. */
export type SentAssertion = { readonly type: unknown; readonly assertion: unknown; readonly clientId: unknown };
