import type { AuditEventView } from '#services/core/audit/read/event-view.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Ports } from '#services/core/ports.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { signalOf } from './caep-events.ts';
import { VERIFICATION } from './signal-shapes.ts';
import { isExcluded, type StreamRow } from './streams.store.ts';

export type SignSignalPorts = Pick<Ports, 'sql' | 'clock'> &
  HasKeyRing & { readonly tokenSettings: Pick<HasTokenSettings['tokenSettings'], 'issuer'> };

/** The name of a stream among the endpoints that follow the sealed log, which have short names. */
export const queueOf = ({ id }: Pick<StreamRow, 'id'>): string =>
  `ssf-${BigInt(`0x${id.replaceAll('-', '')}`).toString(36)}`;

/**
 * A Security Event Token (RFC 8417, SSF 1.0 §4) of an event of the log for a stream; null if the stream does not deliver
 * it. It has no `exp`, so that it is never taken for another token, and the same `jti` in each attempt.
 */
export async function signSignal(
  { sql, clock, keyRing, tokenSettings }: SignSignalPorts,
  stream: Pick<StreamRow, 'id' | 'audience' | 'events'>,
  view: AuditEventView,
  jti: string,
): Promise<string | null> {
  const { issuer } = tokenSettings;
  const signal = signalOf(view, { issuer, streamId: stream.id });
  if (signal === null || !(signal.event === VERIFICATION || stream.events.includes(signal.event))) return null;
  if (signal.userId !== null && (await isExcluded(sql, stream.id, signal.userId))) return null;
  return keyRing.sign(
    { typ: 'secevent+jwt' },
    {
      iss: issuer,
      aud: stream.audience,
      iat: Math.floor(clock.now() / 1_000),
      jti,
      txn: view.event_id,
      sub_id: signal.subject,
      events: { [signal.event]: signal.payload },
    },
    // The CAEP interoperability profile requires it of every receiver.
    keyRing.signedAlgorithms().includes('RS256') ? { algorithm: 'RS256' } : {},
  );
}
