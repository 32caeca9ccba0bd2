import { isDeepStrictEqual } from 'node:util';
import type { HasAccess } from '#services/core/access/access-directory.ts';
import { newestEventSeq } from '#services/core/audit/read/list-events.ts';
import { readEvent } from '#services/core/audit/read/read-event.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import { actorNameOf } from '#services/core/authority/names.ts';
import { streamAuthorizationContext } from '#services/core/keys/secrets/sealed-contexts.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { unauthenticated } from '#services/platform/errors.ts';
import { beginHandoffs, forgetHandoffs, peekHandoffs, settleHandoffs } from '../handoff/pull-handoffs.ts';
import { signalStreamChanged, signalStreamVerified } from './audit-events.ts';
import { SIGNAL_TYPES } from './caep-events.ts';
import { assertMayPushTo } from './may-push-to.ts';
import type { HasPollWaits } from './poll-waits.ts';
import { queueOf, type SignSignalPorts, signSignal } from './sign-signal.ts';
import type { StreamState } from './signal-shapes.ts';
import {
  signalStreamInvalid,
  signalStreamsMany,
  signalStreamUnknown,
  signalVerificationEarly,
} from './stream-errors.ts';
import {
  deleteStreamRow,
  excludeUser,
  includeUser,
  insertStream,
  lockStream,
  markVerified,
  readStreamsOf,
  type StreamRow,
  type StreamSettings,
  updateStatusRow,
  updateStreamRow,
} from './streams.store.ts';
import {
  EVENTS_SUPPORTED,
  POLL,
  PUSH,
  type StreamChange,
  type StreamInput,
  type StreamStatus,
  type StreamView,
  SUPPLIED,
} from './streams-contract.ts';
import { createSubjectFinder } from './subject-user.ts';

type StreamPorts = Pick<Ports, 'transact' | 'sql' | 'random' | 'vault' | 'clock'> & {
  readonly tokenSettings: Pick<HasTokenSettings['tokenSettings'], 'issuer'>;
  readonly publicUrl: string;
  readonly access: Pick<HasAccess['access'], 'client'>;
};

const STREAMS_MAX = { ofOwner: 5, ofAll: 100 };
const VERIFICATION_SECONDS = 5;
/** A queue that is not followed for so long is removed. */
const INACTIVITY_SECONDS = 14 * 86_400;
/** Events that one poll looks at, most of which may be of no interest to the stream. */
const LOOKED_AT_MAX = 500;

const viewOf = ({ tokenSettings, publicUrl }: StreamPorts, row: StreamRow): StreamView => ({
  stream_id: row.id,
  iss: tokenSettings.issuer,
  aud: row.audience,
  events_supported: [...EVENTS_SUPPORTED],
  events_requested: [...row.events],
  events_delivered: row.events.filter((event) => EVENTS_SUPPORTED.includes(event)),
  delivery: { method: row.method, endpoint_url: row.endpoint_url ?? `${publicUrl}/ssf/poll/${row.id}` },
  ...(row.description === null ? {} : { description: row.description }),
  min_verification_interval: VERIFICATION_SECONDS,
  inactivity_timeout: INACTIVITY_SECONDS,
});

/** What a stream is with what the request names, and else as it was. */
function settingsOf(
  ports: StreamPorts,
  id: string,
  input: StreamInput,
  caller: Caller,
  before?: StreamRow,
): StreamSettings {
  const events = input.events_requested ?? before?.events ?? EVENTS_SUPPORTED;
  const description = input.description ?? before?.description ?? null;
  const { delivery } = input;
  if (delivery === undefined)
    return {
      method: before?.method ?? POLL,
      endpoint_url: before?.endpoint_url ?? null,
      sealed_authorization: before?.sealed_authorization ?? null,
      events,
      description,
    };
  if (delivery.method === POLL)
    return { method: POLL, endpoint_url: null, sealed_authorization: null, events, description };
  const { endpoint_url: url = '', authorization_header: header } = delivery;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isWeb = parsed?.protocol === 'https:' || parsed?.protocol === 'http:';
  if (parsed === undefined || !isWeb || parsed.username !== '' || parsed.password !== '' || parsed.hash !== '')
    throw signalStreamInvalid({
      detail: '`delivery.endpoint_url` must be an https URL without credentials and fragment.',
    });
  assertMayPushTo(ports, parsed, caller);
  const sealedAuthorization =
    header === undefined ? null : ports.vault.seal(Buffer.from(header), streamAuthorizationContext(id));
  return { method: PUSH, endpoint_url: parsed.href, sealed_authorization: sealedAuthorization, events, description };
}

const changed = (tx: Tx, caller: Caller, outcome: 'created' | 'changed' | 'deleted', row: Pick<StreamRow, 'id'>) =>
  recordEvent(tx, caller, signalStreamChanged, { outcome, detail: { stream_id: row.id } });

async function locked(tx: Tx, caller: Caller, id: string): Promise<StreamRow> {
  const row = await lockStream(tx, actorNameOf(caller), id);
  // Also another client's: that it exists is not said.
  if (row === undefined) throw signalStreamUnknown();
  return row;
}

async function own(ports: Pick<Ports, 'sql'>, caller: Caller, id: string): Promise<StreamRow> {
  const [row] = await readStreamsOf(ports.sql, actorNameOf(caller), id);
  if (row === undefined) throw signalStreamUnknown();
  return row;
}

/**
 * Creates a stream with the events from now on. Throws `signal_stream_invalid` (400), `own_credential_required` (403),
 * `signal_streams_many` (409).
 */
export async function createStream(ports: StreamPorts, input: StreamInput, caller: Caller): Promise<StreamView> {
  const id = ports.random.uuid();
  const owner = actorNameOf(caller);
  const settings = settingsOf(ports, id, input, caller);
  return ports.transact(async (tx) => {
    // SSF 1.0 §8.1.1: the transmitter names the audience; the receiver is known by who it is.
    const row = { id, owner, audience: owner.slice(owner.indexOf(':') + 1), ...settings };
    if (!(await insertStream(tx, row, STREAMS_MAX))) throw signalStreamsMany();
    await beginHandoffs(tx, ports, { name: queueOf(row), types: SIGNAL_TYPES });
    await changed(tx, caller, 'created', row);
    return viewOf(ports, await own({ sql: tx }, caller, id));
  });
}

type OneStream = { readonly stream_id: string };

/** One stream, or all of the caller's. Throws `signal_stream_unknown` (404). */
export async function readStreams(
  ports: StreamPorts,
  { stream_id: id }: { readonly stream_id?: string | undefined },
  caller: Caller,
): Promise<StreamView | StreamView[]> {
  if (id !== undefined) return viewOf(ports, await own(ports, caller, id));
  return (await readStreamsOf(ports.sql, actorNameOf(caller))).map((row) => viewOf(ports, row));
}

function assertSupplied(view: StreamView, input: StreamChange): void {
  const wrong = SUPPLIED.find((name) => input[name] !== undefined && !isDeepStrictEqual(input[name], view[name]));
  if (wrong !== undefined)
    throw signalStreamInvalid({
      detail: `\`${wrong}\` is set by the transmitter: leave it out, or send it unchanged.`,
    });
}

const changing =
  ({ keepsOthers }: { readonly keepsOthers: boolean }) =>
  (ports: StreamPorts, input: StreamChange, caller: Caller): Promise<StreamView> =>
    ports.transact(async (tx) => {
      const before = await locked(tx, caller, input.stream_id);
      assertSupplied(viewOf(ports, before), input);
      const settings = settingsOf(ports, before.id, input, caller, keepsOthers ? before : undefined);
      await updateStreamRow(tx, before.id, settings);
      await changed(tx, caller, 'changed', before);
      return viewOf(ports, await own({ sql: tx }, caller, before.id));
    });

/** What is not named stays. Throws `signal_stream_invalid` (400), `signal_stream_unknown` (404). */
export const updateStream = changing({ keepsOthers: true });
/** What is not named is as in a new stream. Throws `signal_stream_invalid` (400), `signal_stream_unknown` (404). */
export const replaceStream = changing({ keepsOthers: false });

/** Throws `signal_stream_unknown` (404). */
export const deleteStream = (
  ports: Pick<Ports, 'transact'>,
  { stream_id: id }: OneStream,
  caller: Caller,
): Promise<void> =>
  ports.transact(async (tx) => {
    const row = await locked(tx, caller, id);
    await deleteStreamRow(tx, id);
    await forgetHandoffs(tx, queueOf(row));
    await changed(tx, caller, 'deleted', row);
  });

const statusOf = (row: StreamRow): StreamStatus => ({
  stream_id: row.id,
  status: row.status,
  ...(row.status_reason === null ? {} : { reason: row.status_reason }),
});

/** Throws `signal_stream_unknown` (404). */
export const readStreamStatus = async (
  ports: Pick<Ports, 'sql'>,
  { stream_id: id }: OneStream,
  caller: Caller,
): Promise<StreamStatus> => statusOf(await own(ports, caller, id));

/** Stops or begins what waits for the stream with its status. */
export async function changeStatus(
  tx: Tx,
  ports: Pick<Ports, 'random'>,
  before: StreamRow,
  status: StreamState,
  reason: string | null,
): Promise<void> {
  await updateStatusRow(tx, before.id, status, reason);
  const queue = { name: queueOf(before), types: SIGNAL_TYPES };
  if (status === 'disabled') await forgetHandoffs(tx, queue.name);
  else if (before.status === 'disabled') await beginHandoffs(tx, ports, queue);
}

/** A paused stream keeps its events; a disabled one begins anew when it is enabled. Throws `signal_stream_unknown` (404). */
export const updateStreamStatus = (
  ports: StreamPorts,
  { stream_id: id, status, reason }: StreamStatus,
  caller: Caller,
): Promise<StreamStatus> =>
  ports.transact(async (tx) => {
    const before = await locked(tx, caller, id);
    await changeStatus(tx, ports, before, status, reason ?? null);
    await changed(tx, caller, 'changed', before);
    return statusOf(await own({ sql: tx }, caller, id));
  });

type OfSubject = OneStream & { readonly subject: Readonly<Record<string, unknown>> };

const withSubject =
  (act: (tx: Tx, streamId: string, userId: string) => Promise<void>) =>
  (ports: StreamPorts, { stream_id: id, subject }: OfSubject, caller: Caller): Promise<void> =>
    ports.transact(async (tx) => {
      const row = await locked(tx, caller, id);
      const { issuer } = ports.tokenSettings;
      const ours = { id: row.id, issuer, jwks_uri: '', audience: '', provider: null, match_email: true, own_ids: true };
      const userId = await createSubjectFinder(tx, ours, issuer)(subject);
      // A subject that is no user here has no events, and whether it is one is not said.
      if (userId !== undefined) await act(tx, id, userId);
      await changed(tx, caller, 'changed', row);
    });

/** Streams have every user by default; this takes back `removeStreamSubject`. Throws `signal_stream_unknown` (404). */
export const addStreamSubject = withSubject(includeUser);
/** Throws `signal_stream_unknown` (404). */
export const removeStreamSubject = withSubject(excludeUser);

/**
 * The event goes through the log and the queue of the stream, as every other. Throws `signal_stream_unknown` (404),
 * `signal_verification_early` (429).
 */
export const verifyStream = (
  ports: Pick<Ports, 'transact'>,
  { stream_id: id, state }: OneStream & { readonly state?: string | undefined },
  caller: Caller,
): Promise<void> =>
  ports.transact(async (tx) => {
    await locked(tx, caller, id);
    if (!(await markVerified(tx, id, VERIFICATION_SECONDS)))
      throw signalVerificationEarly({ retryAfterSeconds: VERIFICATION_SECONDS });
    const detail = { stream_id: id, ...(state === undefined ? {} : { state }) };
    await recordEvent(tx, caller, signalStreamVerified, { detail });
  });

type PollInput = OneStream & {
  readonly maxEvents: number;
  readonly ack: readonly string[];
  readonly setErrs: Readonly<Record<string, { readonly err: string }>>;
  readonly returnImmediately: boolean;
};
export type PollPorts = StreamPorts & SignSignalPorts & HasPollWaits;
type PollAnswer = { readonly sets: Record<string, string>; readonly moreAvailable: boolean };

/** Shorter than proxies wait for an answer. */
const LONGEST_WAIT_MS = 20_000;

/**
 * The next events of a stream in the order of the log, until they are acknowledged (RFC 8936). Those that the receiver
 * reports as errors become dead letters. Unless it asks for an answer at once, one without events waits for the next event
 * for 20 seconds, and less when the copy drains. Throws `signal_stream_unknown` (404), `unauthenticated` (401).
 * @param isStillAllowed whether the caller's access lasts after the wait; rejects if that cannot be determined
 */
export async function pollStream(
  ports: PollPorts,
  input: PollInput,
  caller: Caller,
  isStillAllowed: () => Promise<boolean>,
): Promise<PollAnswer> {
  const endsAt = ports.clock.monotonic() + LONGEST_WAIT_MS;
  for (let asked = input; ; asked = { ...input, ack: [], setErrs: {} }) {
    const { newestSeq, ...answer } = await look(ports, asked, caller);
    const mayWait = !input.returnImmediately && input.maxEvents > 0 && newestSeq !== undefined;
    if (!mayWait || answer.moreAvailable || Object.keys(answer.sets).length > 0) return answer;
    if (!(await ports.pollWaits.beyond(newestSeq, endsAt - ports.clock.monotonic()))) return answer;
    if (!(await isStillAllowed())) throw unauthenticated();
  }
}

/** Answers at once. `newestSeq` is the end of the log before it looked; undefined of a stream that has no events now. */
async function look(
  ports: StreamPorts & SignSignalPorts,
  { stream_id: id, maxEvents, ack, setErrs }: PollInput,
  caller: Caller,
): Promise<PollAnswer & { readonly newestSeq: number | undefined }> {
  const { stream, waiting, newestSeq } = await ports.transact(async (tx) => {
    const row = await locked(tx, caller, id);
    if (row.status !== 'enabled' || row.endpoint_url !== null)
      return { stream: row, waiting: [], newestSeq: undefined };
    const newest = await newestEventSeq({ sql: tx });
    const refused = Object.entries(setErrs).map(([jti, { err }]) => ({ id: jti, code: err }));
    const queue = { name: queueOf(row), types: SIGNAL_TYPES };
    await settleHandoffs(tx, queue.name, { accepted: ack, refused });
    const next = await peekHandoffs(tx, ports, queue, LOOKED_AT_MAX + 1);
    return { stream: row, waiting: next, newestSeq: newest };
  });
  const sets: Record<string, string> = {};
  const unwanted: string[] = [];
  let looked = 0;
  for (const { id: jti, seq } of waiting.slice(0, LOOKED_AT_MAX)) {
    if (Object.keys(sets).length >= maxEvents) break;
    looked += 1;
    const set = await signSignal(ports, stream, await readEvent(ports, seq), jti);
    if (set === null) unwanted.push(jti);
    else sets[jti] = set;
  }
  if (unwanted.length > 0)
    await ports.transact((tx) => settleHandoffs(tx, queueOf(stream), { accepted: unwanted, refused: [] }));
  return { sets, moreAvailable: waiting.length > looked, newestSeq };
}
