import { z } from 'zod';
import { componentNames } from '#services/platform/define/component-names.ts';
import type { Permission } from '#services/platform/define/permissions.ts';
import { CLIENT_KEYS_MAX } from './client-auth-shapes.ts';

/** Shapes shared by the contracts of the admin API. */

const accepts = ['bearer', 'client', 'session'] as const;
export const reads = ({ name }: Permission) => ({ accepts, for: 'anyone', permission: name, subject: 'any' }) as const;
/** For dangerous operations: a user must have authenticated recently (step-up). */
export const manages = (permission: Permission) => ({ ...reads(permission), stepUp: true }) as const;

/** No control characters and no lone surrogates: PostgreSQL stores neither NUL nor lone surrogates. */
const PLAIN = /^[^\p{Cc}\p{Cs}]*$/u;
export const text = (max: number) => z.string().min(1).max(max).regex(PLAIN);
/** The reason of a change, for the audit log. */
export const reason = text(256);
export const bodyReason = z.strictObject({ reason }).register(componentNames, { id: 'Reason' });
export const pageQuery = {
  limit: z.int().min(1).max(100).default(50),
  cursor: z
    .string()
    .max(1_024)
    .regex(/^[\w-]*$/)
    .optional(),
};
/** RFC 6749 §3.3. */
const scope = z
  .string()
  .max(128)
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/);
export const scopes = z.array(scope).max(100);
/** A JWK set (RFC 7517 §5) of public keys; members that signatures do not need are not stored. */
export const jwks = z
  .object({ keys: z.array(z.looseObject({ kty: z.string().max(16) })).max(CLIENT_KEYS_MAX) })
  .register(componentNames, { id: 'ClientKeys' });
/** Of a role of the installation. */
export const roleName = z
  .string()
  .max(63)
  .regex(/^[a-z][a-z0-9_-]*$/);
/** Of any role; `notes.editor` is the role `editor` of the application `notes`. */
export const anyRoleName = z
  .string()
  .max(63)
  .regex(/^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)?$/);
