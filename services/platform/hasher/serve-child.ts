import { randomBytes } from 'node:crypto';
import type { FromChild, HashReply, HashRequest, ToChild } from './protocol.ts';
import { hashPassword, verifyPassword } from './schemes.ts';

/** The child's whole behaviour: the first message brings the pepper, every later one is a request. */
export function serveChild(send: (message: FromChild) => void): (message: ToChild) => void {
  let pepper: Uint8Array = new Uint8Array();
  return (message) => {
    if (message.kind !== 'init') return send(answer(message, pepper));
    pepper = Buffer.from(message.pepperBase64, 'base64');
    const startedMs = performance.now();
    const dummyDigest = hashPassword(randomBytes(24).toString('base64url'), pepper);
    send({ kind: 'ready', dummyDigest, hashSeconds: (performance.now() - startedMs) / 1000 });
  };
}

function answer(request: HashRequest, pepper: Uint8Array): HashReply {
  try {
    if (request.kind === 'hash') return { kind: 'hashed', digest: hashPassword(request.password, pepper) };
    return { kind: 'verified', matches: verifyPassword(request.password, request.digest, pepper) };
  } catch {
    return { kind: 'failed' }; // The cause could name the password or the digest: it stays here.
  }
}
