import type { Refusal } from './codes.ts';
import { aheadSeconds, type Proof } from './dpop.ts';
import { bytesOf } from './encoding.ts';
import { LIMITS } from './generated/contract.ts';
import type { Settings } from './options.ts';

/** Null when the proof is used for the first time, by this process; else why it is refused. */
export type UsedProofs = (proof: Proof) => Promise<Refusal['code'] | null>;

/** 128 bits of SHA-256 as a string of 16 bytes: base64url would take more than twice the memory. */
const digestOf = async (text: string): Promise<string> =>
  String.fromCharCode(...new Uint8Array(await crypto.subtle.digest('SHA-256', bytesOf(text)), 0, 16));

/** Remembers digests of proofs for as long as each could be accepted, in two generations that are limited in number. */
export function createUsedProofs({ now, clockSkew }: Pick<Settings, 'now' | 'clockSkew'>): UsedProofs {
  const windowMs = (LIMITS.proofSeconds + 2 * aheadSeconds({ clockSkew }) + 1) * 1_000;
  let young = new Set<string>();
  let old = new Set<string>();
  let turnedAtMs = now();
  return async ({ jkt, jti }) => {
    const digest = await digestOf(`${jkt}\0${jti}`);
    const passedMs = now() - turnedAtMs;
    if (passedMs >= windowMs) {
      old = passedMs < 2 * windowMs ? young : new Set();
      young = new Set();
      turnedAtMs = now();
    }
    if (young.has(digest) || old.has(digest)) return 'binding_mismatch';
    if (young.size >= LIMITS.proofsRemembered) return 'too_many_proofs';
    young.add(digest);
    return null;
  };
}
