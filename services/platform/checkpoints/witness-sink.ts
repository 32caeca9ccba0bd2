import { createHash } from 'node:crypto';
import {
  CheckpointForkError,
  type CheckpointSink,
  type OutgoingCheckpoint,
  SinkAheadError,
} from '#services/core/ports.ts';
import { ask, failed, type SinkAnswer } from './http.ts';

/** Interval between two requests for a cosignature. */
const INTERVAL_MS = 5_000;

type WitnessSettings = {
  /** Its verifier key (cosignature/v1). */
  readonly vkey: string;
  /** Base URL of its submission prefix. */
  readonly url: string;
};

/**
 * Asks a witness (c2sp.org/tlog-witness) for a cosignature, with a proof that the new head extends the last head that it
 * saw. If we assume the wrong last head, the witness answers 409 with the right one.
 */
export function createWitnessSink({ vkey, url }: WitnessSettings): CheckpointSink {
  /** Size of the log that the witness last saw, as far as we know. */
  let known = 0;
  let origin: string | undefined;

  const submit = async (checkpoint: OutgoingCheckpoint, signal: AbortSignal): Promise<SinkAnswer> => {
    const proof = await checkpoint.consistencyProof(known);
    const hashes = proof.map((hash) => `${Buffer.from(hash).toString('base64')}\n`).join('');
    const body = `old ${known}\n${hashes}\n${checkpoint.note}`;
    return ask(`${url}/add-checkpoint`, { method: 'POST', body, headers: { 'content-type': 'text/plain' } }, signal);
  };

  return {
    name: `witness:${createHash('sha256').update(vkey).digest('hex').slice(0, 16)}`,
    kind: 'witness',
    intervalMs: INTERVAL_MS,
    cosigner: vkey,
    async publish(checkpoint, signal) {
      if (origin !== checkpoint.origin) known = 0;
      origin = checkpoint.origin;
      let answer = await submit(checkpoint, signal);
      if (answer.status === 409 && answer.headers.get('content-type')?.startsWith('text/x.tlog.size')) {
        known = sizeIn(answer.text);
        if (known > checkpoint.size) throw new SinkAheadError(known);
        answer = await submit(checkpoint, signal);
      }
      // 422: the proof does not lead from the witness' root to ours. 409 without a size: it saw another root of this size.
      if (answer.status === 422 || answer.status === 409)
        throw new CheckpointForkError(`old ${known}: ${answer.status}`);
      if (answer.status !== 200) throw failed(answer);
      known = checkpoint.size;
      return answer.text.split('\n').filter((line) => line !== '');
    },
  };
}

function sizeIn(text: string): number {
  if (!/^(0|[1-9]\d{0,15})\n?$/.test(text)) throw new Error('a witness answered 409 without a size');
  return Number(text);
}
