import { hash } from 'node:crypto';
import { signalsReceived } from '#observability/metrics/signals.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import type { HasRevocationPush } from '#services/core/revocations/revocation-set.ts';
import type { createThrottle } from '#services/core/shared/throttle.ts';
import { endTarget } from '#services/core/tokens/revoke/revoke-token.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { signalReceived, signalsLimitReached } from './audit-events.ts';
import { signalsLimited } from './errors.ts';
import { CAEP_EVENTS, ENDING, type SetErrorCode, type SignalOutcome, VERIFICATION } from './signal-shapes.ts';
import { countApplied, insertSignal, lockTransmitter, readTransmitter } from './signals.store.ts';
import { createSubjectFinder } from './subject-user.ts';
import { type HasSignalKeys, SetRefused, verifySet } from './verify-set.ts';

export type ReceiveSignalPorts = Pick<Ports, 'transact' | 'sql' | 'clock' | 'random'> &
  HasSignalKeys &
  HasRevocationPush & {
    readonly tokenSettings: Pick<HasTokenSettings['tokenSettings'], 'issuer'>;
    /** Of the notices of limits. */
    readonly onceAMinute: ReturnType<typeof createThrottle>;
  };

type Found = { readonly name: string; readonly ends: boolean; readonly subject: unknown };

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The event of the token (SSF 1.0 allows one) and its subject, which earlier drafts have in the event. */
function eventOf({ events, sub_id: subId }: Readonly<Record<string, unknown>>): Found {
  const [given, ...more] = isObject(events) ? Object.entries(events) : [];
  if (given === undefined || more.length > 0) throw new SetRefused('invalid_request', 'The token must have one event.');
  const [uri, event] = given;
  const known = (Object.keys(CAEP_EVENTS) as (keyof typeof CAEP_EVENTS)[]).find((name) => CAEP_EVENTS[name] === uri);
  const subject = subId ?? (isObject(event) ? event.subject : undefined);
  const name = known ?? (uri === VERIFICATION ? 'verification' : 'other');
  return { name, ends: ENDING.some((ending) => ending === known), subject };
}

type SignalAnswer = { readonly err: SetErrorCode; readonly description: string } | null;

/**
 * Takes a Security Event Token (RFC 8935). A `session-revoked` or `credential-change` of a user ends every session, token
 * family and token of the user here, with the row that remembers its `jti`, so a token that comes again changes nothing.
 * Others are accepted and change nothing, and so does an event about a subject that is no user here: the transmitter does
 * not learn which it is.
 * @returns null, or why it is refused
 * @throws signalKeysUnavailable (503), signalsLimited (429)
 */
export async function receiveSignal(ports: ReceiveSignalPorts, text: string, caller: Caller): Promise<SignalAnswer> {
  try {
    const set = await verifySet(ports, text, {
      findTransmitter: (issuer) => readTransmitter(ports.sql, issuer),
      nowSeconds: Math.floor(ports.clock.now() / 1_000),
    });
    const event = eventOf(set.claims);
    const find = createSubjectFinder(ports.sql, set.transmitter, ports.tokenSettings.issuer);
    const userId = event.ends ? await find(event.subject) : undefined;
    const outcome: SignalOutcome = !event.ends ? 'ignored' : userId === undefined ? 'no_user' : 'applied';
    const isNew = await ports
      .transact((tx) => apply(tx, ports, { set, event, userId, outcome }, caller))
      .catch(async (err: unknown) => {
        if (isLimited(err)) await noticeLimit(ports, set.transmitter.id, caller);
        throw err;
      });
    signalsReceived.add(1, { outcome: isNew ? outcome : 'repeated' });
    return null;
  } catch (err) {
    if (!(err instanceof SetRefused)) throw err;
    signalsReceived.add(1, { outcome: err.code });
    return { err: err.code, description: err.message };
  }
}

/** Users whose sessions one transmitter may end within these seconds: a mass revocation takes minutes, a mistake is seen. */
export const APPLIED_MAX = 600;
const LIMIT_SECONDS = 60;

/**
 * The transaction has inserted the event, under the lock of its transmitter: two at once count each other. It is sent again
 * (RFC 8935 §2.4), so nothing is lost.
 */
async function assertWithinLimit(tx: Tx, transmitterId: string): Promise<void> {
  if ((await countApplied(tx, transmitterId, LIMIT_SECONDS, APPLIED_MAX + 1)) > APPLIED_MAX)
    throw signalsLimited({ retryAfterSeconds: LIMIT_SECONDS });
}

const isLimited = (err: unknown): boolean => isAppError(err) && err.definition === signalsLimited.definition;

async function noticeLimit(ports: ReceiveSignalPorts, transmitterId: string, caller: Caller): Promise<void> {
  await ports.onceAMinute(transmitterId, () =>
    recordEvent(ports.sql, caller, signalsLimitReached, {
      outcome: 'refused',
      detail: { transmitter_id: transmitterId },
    }).then(() => true),
  );
  signalsReceived.add(1, { outcome: 'limited' });
}

type Applied = {
  readonly set: Awaited<ReturnType<typeof verifySet>>;
  readonly event: Found;
  readonly userId: string | undefined;
  readonly outcome: SignalOutcome;
};

async function apply(
  tx: Tx,
  { random, announceRevocations }: ReceiveSignalPorts,
  { set, event, userId, outcome }: Applied,
  caller: Caller,
): Promise<boolean> {
  const id = random.uuid();
  const jti = hash('sha256', set.jti, 'buffer');
  if (outcome === 'applied') await lockTransmitter(tx, set.transmitter.id);
  if (!(await insertSignal(tx, { transmitterId: set.transmitter.id, jti, id, event: event.name, outcome })))
    return false;
  if (outcome === 'applied') await assertWithinLimit(tx, set.transmitter.id);
  const reason = event.name === 'session-revoked' ? 'signal_session_revoked' : 'signal_credential_change';
  if (userId !== undefined) {
    await endTarget(tx, { kind: 'user', value: userId, userId, clientId: null }, reason, caller);
    tx.afterCommit(announceRevocations);
  }
  await recordEvent(tx, caller, signalReceived, {
    outcome,
    ...(userId === undefined ? {} : { target: { kind: 'user', id: userId } }),
    detail: { signal_id: id, transmitter_id: set.transmitter.id, event: event.name },
  });
  return true;
}
