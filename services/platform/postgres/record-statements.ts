import type pg from 'pg';
import { endStoreSpan, endStoreSpanWith, startStoreSpan } from '#observability/store-call-span.ts';

type Asked = string | { readonly name?: string; readonly text: string };

const firstWord = (text: string): string => /^\s*(\w*)/.exec(text)?.[1]?.toUpperCase() ?? '';

function startSpan(asked: Asked) {
  const { name, text } = typeof asked === 'string' ? { name: '', text: asked } : asked;
  return startStoreSpan('postgresql', name || firstWord(text), text);
}

/** Gives each statement of a connection a span in recorded requests. Its values are not recorded. */
export function recordStatements(client: pg.ClientBase): void {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const recorded = (asked: Asked, ...rest: unknown[]): unknown => {
    const span = startSpan(asked);
    if (span === undefined) return query(asked, ...rest);
    const callback = rest.at(-1);
    if (typeof callback === 'function')
      return query(asked, ...rest.slice(0, -1), (err: unknown, ...answer: unknown[]) => {
        endStoreSpan(span, err);
        callback(err, ...answer);
      });
    const answer = query(asked, ...rest) as Promise<unknown>;
    endStoreSpanWith(span, answer);
    return answer;
  };
  client.query = recorded as typeof client.query;
}
