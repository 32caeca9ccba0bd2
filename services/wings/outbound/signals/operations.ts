import { operation } from '#services/core/shared/operation.ts';
import {
  listSignalStreams,
  readSignalStream,
  setSignalStreamStatus,
  verifySignalStream,
} from './administer-streams.ts';
import {
  createTransmitterEndpoint,
  listReceivedSignalsEndpoint,
  listSignalStreamsEndpoint,
  listTransmittersEndpoint,
  type ReceivedSignalView,
  removeTransmitterEndpoint,
  type StreamOverview,
  setSignalStreamStatusEndpoint,
  type TransmitterView,
  verifySignalStreamEndpoint,
} from './contract.ts';
import {
  createTransmitter,
  listReceivedSignals,
  listTransmitters,
  readTransmitterView,
  removeTransmitter,
} from './manage-transmitters.ts';

const line = (transmitter: TransmitterView): string =>
  [
    transmitter.transmitter_id,
    transmitter.issuer,
    `accounts of ${transmitter.provider ?? 'none'}`,
    transmitter.match_email ? 'and addresses' : 'no addresses',
    transmitter.own_ids ? 'and our ids' : 'not our ids',
    `${transmitter.received} received, last ${transmitter.last_received_at ?? 'never'}`,
  ].join('  ');
const signalLine = (signal: ReceivedSignalView): string =>
  [signal.received_at, signal.outcome.padEnd(8), signal.event.padEnd(22), signal.transmitter_id, signal.signal_id].join(
    '  ',
  );

/** Who may send shared signals here, and what they sent. */
export const transmitterOperations = [
  operation(createTransmitterEndpoint, createTransmitter, {
    verb: 'transmitters add <issuer>',
    options: {
      jwks_uri: { flags: '--jwks-uri <url>', help: 'where its public keys are fetched' },
      audience: { flags: '--audience <audience>', help: 'what its events name as audience; our issuer by default' },
      provider: { flags: '--provider <name>', help: 'the provider of linked accounts whose ids are its subjects' },
      match_email: { flags: '--match-email', help: 'a subject may be a verified address' },
      own_ids: { flags: '--own-ids', help: 'a subject may be our own id of a user, and so any user' },
    },
    asks: ({ issuer }) => `let ${issuer} end sessions here`,
    lines: (transmitter) => [line(transmitter)],
  }),
  operation(listTransmittersEndpoint, listTransmitters, { verb: 'transmitters list', line }),
  operation(removeTransmitterEndpoint, removeTransmitter, {
    verb: 'transmitters remove <transmitter_id>',
    about: readTransmitterView,
    asks: (_input, { issuer }: TransmitterView) => `refuse the signals of ${issuer}`,
    lines: (transmitter) => [line(transmitter)],
  }),
  operation(listReceivedSignalsEndpoint, listReceivedSignals, { verb: 'transmitters received', line: signalLine }),
];

const streamLine = (stream: StreamOverview): string =>
  [
    stream.stream_id,
    stream.status.padEnd(8),
    stream.owner,
    stream.endpoint_url ?? 'polled',
    `${stream.waiting} waiting, ${stream.given_up} given up, ${stream.excluded_users} users excluded`,
  ].join('  ');

/** The streams of every receiver, for administrators. */
export const signalStreamOperations = [
  operation(listSignalStreamsEndpoint, listSignalStreams, { verb: 'signal-streams list', line: streamLine }),
  operation(setSignalStreamStatusEndpoint, setSignalStreamStatus, {
    verb: 'signal-streams status <stream_id>',
    help: 'enable, pause or disable a stream; a disabled one keeps no events',
    options: { status: { flags: '--status <status>', help: 'enabled, paused or disabled' } },
    about: readSignalStream,
    asks: ({ status }, { owner }: StreamOverview) => `set the stream of ${owner} to ${status}`,
    lines: (stream) => [streamLine(stream)],
  }),
  operation(verifySignalStreamEndpoint, verifySignalStream, {
    verb: 'signal-streams verify <stream_id>',
    help: 'send a verification event through a stream',
    about: readSignalStream,
    asks: (_input, { owner }: StreamOverview) => `send a verification event to ${owner}`,
    lines: (stream) => [streamLine(stream)],
  }),
];
