import { createHmac, timingSafeEqual } from 'node:crypto';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import type { Ports } from '#services/core/ports.ts';

type NoncePorts = Pick<Ports, 'clock'> & { readonly keyRing: Pick<KeyRing, 'secret' | 'secretVersion'> };

/** A nonce is issued during one slot, and accepted until the end of the next. */
const SLOT_MS = 120_000;

const macOf = (key: Buffer, slot: number): string =>
  createHmac('sha256', key).update(`dpop nonce\0${slot}`).digest('base64url');

/** The current nonce (RFC 9449 §8), the same on every copy and not stored: `<key version>.<slot>.<mac>`. */
export function dpopNonce({ clock, keyRing }: NoncePorts): string {
  const { version, key } = keyRing.secret('csrf');
  const slot = Math.floor(clock.now() / SLOT_MS);
  return `${version}.${slot}.${macOf(key, slot)}`;
}

/** Whether a nonce is of the current or the previous slot. */
export function isDpopNonce({ clock, keyRing }: NoncePorts, nonce: string): boolean {
  const [, version, slotText, mac] = /^(\d{1,5})\.(\d{1,10})\.([\w-]{43})$/.exec(nonce) ?? [];
  if (mac === undefined) return false;
  const slot = Number(slotText);
  const age = Math.floor(clock.now() / SLOT_MS) - slot;
  const key = keyRing.secretVersion('csrf', Number(version));
  if (key === undefined || (age !== 0 && age !== 1)) return false;
  return timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(key, slot)));
}
