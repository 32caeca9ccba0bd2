import type { Caller } from '../ports.ts';
import { rightsExceeded } from './errors.ts';

const NONE: ReadonlySet<string> = new Set();

/** The permissions of the caller's credential. The process itself has none by name; `holds` answers for it. */
export function permissionsOf(caller: Caller): ReadonlySet<string> {
  switch (caller.kind) {
    case 'user':
    case 'client':
    case 'agent':
      return caller.permissions;
    case 'system':
    case 'anonymous':
      return NONE;
  }
}

/** Whether the caller may use a permission. The process itself acts for the operator, who may use all. */
export const holds = (caller: Caller, permission: string): boolean =>
  caller.kind === 'system' || permissionsOf(caller).has(permission);

/**
 * A caller may only grant, remove or take over permissions that the caller has: a `:manage` permission must not lead
 * to all others. Throws `rights_exceeded` (403).
 */
export function assertHolds(caller: Caller, permissions: Iterable<string>): void {
  const lacking = [...new Set(permissions)].filter((permission) => !holds(caller, permission)).sort();
  if (lacking.length > 0) throw rightsExceeded({ detail: `You do not have ${lacking.slice(0, 20).join(', ')}.` });
}
