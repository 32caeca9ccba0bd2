import { operation } from '#services/core/shared/operation.ts';
import { requestBackchannel } from './backchannel/request-backchannel.ts';
import {
  approveSignOffEndpoint,
  denySignOffEndpoint,
  finishSignOffEndpoint,
  listSignOffsEndpoint,
  readReceiptEndpoint,
  readSignOffEndpoint,
  requestBackchannelEndpoint,
  requestSignOffEndpoint,
  type SignOffView,
  startSignOffEndpoint,
} from './contract.ts';
import { approveSignOff, denySignOff } from './decide-signoff.ts';
import { finishSignOff } from './finish-signoff.ts';
import { listSignOffs, readReceipt, readSignOff } from './read-signoff.ts';
import { requestSignOff } from './request-signoff.ts';
import { startSignOff } from './start-signoff.ts';

/** A sign-off as a line of the commands. */
export const signOffLine = (signOff: SignOffView): string =>
  [
    signOff.signoff_id,
    signOff.state.padEnd(11),
    `${signOff.decisions.filter(({ decision }) => decision === 'approve').length}/${signOff.quorum}`,
    signOff.act,
    signOff.title,
  ].join('  ');

/** Sign-offs. No command approves or denies here: those call the API as a person (`cli/signoff.ts`). */
export const signOffOperations = [
  operation(requestSignOffEndpoint, requestSignOff),
  operation(requestBackchannelEndpoint, requestBackchannel),
  operation(listSignOffsEndpoint, listSignOffs, {
    verb: 'signoff list',
    options: {
      state: { flags: '--state <state>', help: 'only sign-offs in this state' },
      role: { flags: '--role <role>', help: 'only sign-offs that ask for this role' },
    },
    line: signOffLine,
  }),
  operation(readSignOffEndpoint, readSignOff),
  operation(approveSignOffEndpoint, approveSignOff),
  operation(denySignOffEndpoint, denySignOff),
  operation(startSignOffEndpoint, startSignOff),
  operation(finishSignOffEndpoint, finishSignOff),
  operation(readReceiptEndpoint, readReceipt),
];
