import { type CallToolResult, TRACEPARENT_META_KEY } from '@modelcontextprotocol/server';
import { type Performed, problemOf } from './perform-call.ts';

/** The result of a tool, as text for old clients and as data. */
export const resultOf = (value: object, isError = false): CallToolResult => ({
  content: [{ type: 'text', text: JSON.stringify(value) }],
  structuredContent: value as Record<string, unknown>,
  ...(isError ? { isError } : {}),
});

/** The result of a call, or its error, with the trace. @param value what a call that succeeded answers */
export const toolResultOf = (done: Performed, value = done.result): CallToolResult => ({
  ...(done.error === undefined ? resultOf(value as object) : resultOf(problemOf(done.error, done.traceId), true)),
  _meta: { [TRACEPARENT_META_KEY]: done.traceparent },
});
