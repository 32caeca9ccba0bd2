import type { WorkerPorts } from '#jobs/processors.ts';
import type { HandoffSettings } from '../platform/config/handoff.ts';
import { guardedFetch } from '../platform/http/outbound.ts';

/** An endpoint that is slower gets the event again later. */
const DEADLINE_MS = 5_000;
/** The body of the answer is not used. */
const ANSWER_BYTES_MAX = 65_536;

/** Sends hand-offs over the network: to public addresses by https, unless private ones are allowed. */
export const createHandoffTransport = ({
  allowsPrivate,
}: Pick<HandoffSettings, 'allowsPrivate'>): WorkerPorts['signals']['transport'] => ({
  async post({ url, headers, body }, signal) {
    const rules = { allowsPrivate, answerBytesMax: ANSWER_BYTES_MAX, deadlineMs: DEADLINE_MS };
    const { status } = await guardedFetch(rules, url, { method: 'POST', headers, body, signal });
    return status;
  },
});
