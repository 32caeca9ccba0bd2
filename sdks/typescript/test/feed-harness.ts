// For tests only.
import { afterEach } from 'vitest';
import { createVerifier, type Verifier, type VerifierEvent, type VerifierOptions } from '../src/index.ts';
import type { FakeIssuer } from '../src/testing.ts';

const open: Verifier[] = [];
afterEach(() => {
  for (const verifier of open.splice(0)) verifier.close();
});

/** A verifier that ends with the test, and why it refused answers of the feed. */
export function verifierOf(issuer: FakeIssuer, changes: Partial<VerifierOptions> = {}) {
  const events: VerifierEvent[] = [];
  const verifier = createVerifier({ ...issuer.options, onEvent: (event) => events.push(event), ...changes });
  open.push(verifier);
  const refusals = (): string[] =>
    events.flatMap((event) => (event.type === 'feed_failed' ? [event.error.message] : []));
  return { verifier, refusals };
}
