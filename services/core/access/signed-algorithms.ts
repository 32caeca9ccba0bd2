import type { AsymmetricAlgorithm } from '../keys/algorithm-shapes.ts';
import { signingAlgorithmRefused } from '../keys/errors.ts';
import { isTokenPurpose } from '../keys/key-timeline.ts';
import { listKeys, readSignedAlgorithms } from '../keys/list-keys.ts';
import type { Ports } from '../ports.ts';
import type { AlgorithmChanges } from './client-profile.ts';
import { type AlgorithmUse, readAlgorithmUses } from './clients.store.ts';

/**
 * The member whose algorithm no key signs with, and why, as a sentence; undefined if both are left out or signed with.
 * @param signed the algorithms that a client can be registered for
 */
export function unsignedAlgorithm(
  {
    id_token_signed_response_alg: idTokenAlgorithm,
    access_token_signed_response_alg: accessTokenAlgorithm,
  }: { readonly [Member in keyof AlgorithmChanges]?: string | null | undefined },
  signed: readonly AsymmetricAlgorithm[],
): string | undefined {
  const wanted = {
    id_token_signed_response_alg: idTokenAlgorithm,
    access_token_signed_response_alg: accessTokenAlgorithm,
  };
  const [member, algorithm] =
    Object.entries(wanted).find(([, alg]) => typeof alg === 'string' && !signed.some((name) => name === alg)) ?? [];
  if (member === undefined) return undefined;
  const offer = signed.length === 0 ? 'no algorithm now; its keys are about to change' : signed.join(', ');
  return `${member} ${algorithm} is not signed here. Clients can be registered for: ${offer}.`;
}

/**
 * Reads the algorithms that a client can be registered for, and checks that they include those that a change names.
 * Throws `signing_algorithm_refused` (400).
 */
export async function assertSigned(
  ports: Pick<Ports, 'sql'>,
  changes: AlgorithmChanges,
): Promise<readonly AsymmetricAlgorithm[]> {
  const signed = await readSignedAlgorithms(ports);
  const detail = unsignedAlgorithm(changes, signed);
  if (detail !== undefined) throw signingAlgorithmRefused({ detail });
  return signed;
}

/** Algorithms that clients are registered for and no key signs with now, with the number of those clients. */
export async function readUnsignedAlgorithms(ports: Pick<Ports, 'sql'>): Promise<AlgorithmUse[]> {
  const signing = (await listKeys(ports)).filter(({ state, purpose }) => state === 'active' && isTokenPurpose(purpose));
  return (await readAlgorithmUses(ports.sql)).filter(({ algorithm }) => !signing.some(({ alg }) => alg === algorithm));
}
