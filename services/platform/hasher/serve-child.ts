import { randomBytes } from 'node:crypto';
import { createEqualCost, type EqualCost, processorMicros } from './equal-cost.ts';
import type { FromChild, HashRequest, HashResult, ToChild } from './protocol.ts';
import { findScheme, type HashAlgorithm, hashPassword, verifyPassword } from './schemes.ts';

/** The state of a child after the first message. */
type Child = { readonly pepper: Uint8Array; readonly algorithm: HashAlgorithm; readonly equalCost: EqualCost };

/** The child's whole behaviour: the first message brings pepper and algorithm, every later one is a request. */
export function serveChild(send: (message: FromChild) => void): (message: ToChild) => void {
  let child: Child | undefined;
  return (message) => {
    if (message.kind !== 'init') {
      const spentMicros = processorMicros();
      const result = answer(message, child);
      return send({ ...result, processorSeconds: (processorMicros() - spentMicros) / 1_000_000 });
    }
    const { pepperBase64, algorithm = 'bcrypt' } = message;
    const pepper = Buffer.from(pepperBase64, 'base64');
    const startedMs = performance.now();
    const equalCost = createEqualCost(algorithm, () =>
      hashPassword(randomBytes(24).toString('base64url'), pepper, algorithm),
    );
    child = { pepper, algorithm, equalCost };
    send({ kind: 'ready', hashSeconds: (performance.now() - startedMs) / 1000 });
  };
}

function answer(request: HashRequest, child: Child | undefined): HashResult {
  try {
    if (!child) return { kind: 'failed' };
    const { pepper, algorithm, equalCost } = child;
    const { password } = request;
    if (request.kind === 'hash') return { kind: 'hashed', digest: hashPassword(password, pepper, algorithm) };
    const { digest, typed, keyBase64 } = request;
    const key = keyBase64 === undefined ? undefined : Buffer.from(keyBase64, 'base64');
    const isUsualCost = algorithm === 'bcrypt' && findScheme(digest).isCurrent(digest, algorithm);
    // Each text costs the same whatever the digest, so that a second one reveals nothing of the account.
    const matches = [password, ...(typed === undefined ? [] : [typed])].some((text) => {
      const verify = (): boolean => verifyPassword(text, digest, pepper, key);
      return isUsualCost ? verify() : equalCost(verify);
    });
    return { kind: 'verified', matches };
  } catch {
    return { kind: 'failed' }; // Without the cause, which could contain the password or the digest.
  }
}
