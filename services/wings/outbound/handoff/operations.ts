import { operation } from '#services/core/shared/operation.ts';
import { listHandoffDeadLettersEndpoint, replayHandoffEndpoint } from './contract.ts';
import { listHandoffDeadLetters, replayHandoff } from './given-up-handoffs.ts';
import { listSiemTargets, replaySiem } from './siem/replay-siem.ts';
import { listSiemTargetsEndpoint, replaySiemEndpoint, type SiemTargetView } from './siem/siem-contract.ts';

const line = ({ siem_target: name, reached_seq: reached, behind, failure, failing_since: since }: SiemTargetView) =>
  `${name}  has the log up to ${reached}, ${behind} behind${failure === null ? '' : `  fails since ${since}: ${failure}`}`;

/** Dead letters of hand-offs and targets of the SIEM export, for operators. */
export const handoffOperations = [
  operation(listHandoffDeadLettersEndpoint, listHandoffDeadLetters),
  operation(replayHandoffEndpoint, replayHandoff),
  operation(listSiemTargetsEndpoint, listSiemTargets, { verb: 'siem list', line }),
  operation(replaySiemEndpoint, replaySiem, {
    verb: 'siem replay <siem_target>',
    help: 'send a target all events from a number on again',
    options: {
      from_seq: { flags: '--from <seq>', help: 'number of the first event to send again; 0 is the whole log' },
    },
    asks: ({ siem_target: name, from_seq: seq }) => `send target ${name} all events from ${seq} on again`,
    lines: (answer) => [line(answer)],
  }),
];
