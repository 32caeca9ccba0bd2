// THREAD. RS256 signatures of one API process: each is a good part of a millisecond in one piece.
import { type KeyObject, sign } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { giveWayHere } from '../process/give-way.ts';
import type { FromSigner, ToSigner } from './protocol.ts';

const port = parentPort;
if (port === null) throw new Error('signing/thread.ts is started by signing/signing-threads.ts');
giveWayHere();

let key: KeyObject | undefined;

function signAll(inputs: readonly string[]): FromSigner {
  try {
    return inputs.map((input) => sign('sha256', Buffer.from(input, 'latin1'), key as KeyObject).toString('base64url'));
  } catch {
    return null;
  }
}

port.on('message', (message: ToSigner) => {
  key = message.key ?? key;
  port.postMessage(signAll(message.inputs));
});
