import type { Caller } from '../ports.ts';
import { rightsExceeded } from './errors.ts';

/**
 * A caller may only grant, remove or take over permissions that the caller has: a `:manage` permission must not lead
 * to all others. The process itself (command line, jobs) acts for the operator of the installation.
 * Throws `rights_exceeded` (403).
 */
export function assertHolds(caller: Caller, permissions: Iterable<string>): void {
  if (caller.kind === 'system') return;
  const held = caller.kind === 'anonymous' ? new Set<string>() : caller.permissions;
  const lacking = [...new Set(permissions)].filter((permission) => !held.has(permission)).sort();
  if (lacking.length > 0) throw rightsExceeded({ detail: `You do not have ${lacking.slice(0, 20).join(', ')}.` });
}
