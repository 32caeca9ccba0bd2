/** A child's messages to the supervisor over its IPC channel; anything else is ignored. */
type ChildMessage =
  | { type: 'ready' }
  /** It cannot start, and a retry would not help: shown with its fix, not retried. `port_taken` moves the port. */
  | { type: 'fatal'; code: string; message: string; fix: string };

export type FatalMessage = Extract<ChildMessage, { type: 'fatal' }>;

/** Reads an IPC message from outside this process: undefined unless it is well-formed. */
export function readChildMessage(message: unknown): ChildMessage | undefined {
  if (typeof message !== 'object' || message === null || !('type' in message)) return undefined;
  if (message.type === 'ready') return { type: 'ready' };
  const text = (name: string): string => String((message as Record<string, unknown>)[name] ?? '');
  if (message.type !== 'fatal') return undefined;
  return { type: 'fatal', code: text('code'), message: text('message'), fix: text('fix') };
}
