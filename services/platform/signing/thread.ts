// THREAD. RS256 signatures of one API process: each is a third of a millisecond in one piece.
import { sign } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { BACKGROUND, lowerPriority } from '../process/priority.ts';
import type { FromSigner, ToSigner } from './protocol.ts';

const port = parentPort;
if (port === null) throw new Error('signing/thread.ts is started by signing/signing-threads.ts');
if (process.platform === 'linux') lowerPriority(0, BACKGROUND);

const send = (message: FromSigner): void => port.postMessage(message);

function signAll({ key, inputs }: ToSigner): FromSigner {
  try {
    return inputs.map((input) => sign('sha256', Buffer.from(input, 'latin1'), key).toString('base64url'));
  } catch {
    return null;
  }
}

port.on('message', (message: ToSigner) => send(signAll(message)));
send('ready');
