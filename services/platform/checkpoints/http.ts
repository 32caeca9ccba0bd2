import { SinkRefusedError } from '#services/core/ports.ts';
import { guardedFetch, OutboundRefused } from '../http/outbound.ts';

export type SinkAnswer = { readonly status: number; readonly text: string; readonly headers: Headers };

/** An operator names the sinks, so they may be in a private network. The caller's signal is the deadline. */
const RULES = { allowsPrivate: true, answerBytesMax: 65_536, deadlineMs: 60_000 };

/**
 * Sends one request to a sink, without redirects and with a bounded, uncompressed answer. Throws network errors
 * unchanged.
 */
export async function ask(url: string, init: RequestInit, signal: AbortSignal): Promise<SinkAnswer> {
  const response = await guardedFetch(RULES, url, { ...init, signal }).catch((err: unknown) => {
    throw err instanceof OutboundRefused ? new SinkRefusedError('answer_refused') : err;
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

/** A 4xx answer is permanent; any other failure may pass. */
export const failed = ({ status }: SinkAnswer): Error =>
  status >= 400 && status < 500 && status !== 408 && status !== 429
    ? new SinkRefusedError(`http_${status}`)
    : Object.assign(new Error(`the sink answered ${status}`), { code: `http_${status}` });
