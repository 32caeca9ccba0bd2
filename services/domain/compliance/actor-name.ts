import type { Caller } from '../ports.ts';

/** The caller as reports and attestations name it: kind and id, no name and no address. */
export function actorNameOf(caller: Caller): string {
  if (caller.kind === 'user') return `user:${caller.userId}`;
  if (caller.kind === 'client') return `client:${caller.clientId}`;
  return caller.kind === 'system' ? `system:${caller.name}` : caller.kind;
}
