import { kBroadcastChannel } from 'better-auth/client';
import { createAuthClient } from 'better-auth/react';

type Message = Record<string, unknown>;

/**
 * Tells the other tabs that the user signed out. Better Auth's own channel writes its messages to localStorage; this
 * one stores nothing.
 */
function createTabChannel(name: string) {
  const channel = typeof window === 'undefined' ? undefined : new BroadcastChannel(name);
  const listeners = new Set<(message: Message) => void>();
  channel?.addEventListener('message', ({ data }) => {
    for (const listener of listeners) listener(data);
  });
  return {
    post: (message: Message) => channel?.postMessage(message),
    subscribe(listener: (message: Message) => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    setup: () => () => {},
  };
}

(globalThis as Record<symbol, unknown>)[kBroadcastChannel] ??= createTabChannel('session');

/** Better Auth's client, unchanged. It calls `/api/auth/…` on the origin of the page, which `proxy.ts` rewrites. */
export const authClient = createAuthClient();
