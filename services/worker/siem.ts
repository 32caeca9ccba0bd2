import { readFileSync } from 'node:fs';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { WorkerPorts } from '#jobs/processors.ts';
import type { SiemSettings } from '../platform/config/siem.ts';
import { guardedFetch, guardedLookup } from '../platform/http/outbound.ts';

/** A target that is slower gets the events again later. */
const DEADLINE_MS = 10_000;
/** The body of the answer is not used. */
const ANSWER_BYTES_MAX = 65_536;
/**
 * rsyslog 8.2302 with OpenSSL, that of Debian 12: if the end of a connection arrives while it reads the last message, it may
 * lose that, and ends all later connections in their handshake.
 */
const BEFORE_THE_END_MS = 100;
/** IANA: syslog over TLS (RFC 5425 §4.1), and syslog over TCP as most receivers have it. */
const PORTS: Readonly<Record<string, number>> = { 'syslogs:': 6_514, 'syslog:': 601 };

type TransportSettings = Pick<
  SiemSettings,
  'allowsPrivate' | 'authorization' | 'caFile' | 'certificateFile' | 'keyFile'
>;

/** The receiver closed before it had everything. */
class SiemCut extends Error {
  readonly code = 'connection_cut';
}

/**
 * Writes all bytes and closes. Syslog has no answer, so what counts is that the receiver closes its side after ours, as
 * one does that has read to the end; a receiver that dies before that resets the connection.
 */
const writeAll = (socket: Socket, bytes: Buffer, signal: AbortSignal, ready: 'connect' | 'secureConnect') =>
  new Promise<void>((done, fail) => {
    const abort = (): void => void socket.destroy(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    let [isWritten, isRead] = [false, false];
    let ending: NodeJS.Timeout | undefined;
    const end = (): void => {
      isWritten = true;
      ending = setTimeout(() => socket.end(), ready === 'connect' ? 0 : BEFORE_THE_END_MS);
    };
    socket
      .once(ready, () => socket.write(bytes, end))
      .once('end', () => {
        isRead = isWritten;
      })
      .once('error', fail)
      .once('close', () => {
        clearTimeout(ending);
        signal.removeEventListener('abort', abort);
        if (isRead) done();
        else fail(new SiemCut('the receiver closed the connection early'));
      })
      .resume();
  });

/** Exports over the network: to public addresses with TLS, unless private ones are allowed. */
export function createSiemTransport(settings: TransportSettings): WorkerPorts['siem']['transport'] {
  const { allowsPrivate, authorization } = settings;
  const fileOf = (path: string | undefined): Buffer | undefined =>
    path === undefined ? undefined : readFileSync(path);
  const tls = { ca: fileOf(settings.caFile), cert: fileOf(settings.certificateFile), key: fileOf(settings.keyFile) };
  return {
    async post({ target, headers, body }, signal) {
      const credential = authorization.get(target.name);
      const { status } = await guardedFetch(
        { allowsPrivate, answerBytesMax: ANSWER_BYTES_MAX, deadlineMs: DEADLINE_MS },
        target.url,
        {
          method: 'POST',
          headers: { ...headers, ...(credential === undefined ? {} : { authorization: credential }) },
          body,
          signal,
        },
      );
      return status;
    },
    async write({ target, bytes }, outer) {
      const { protocol, hostname, port } = new URL(target.url);
      const host = hostname.replace(/^\[|\]$/g, '');
      const signal = AbortSignal.any([outer, AbortSignal.timeout(DEADLINE_MS)]);
      signal.throwIfAborted();
      const lookup = await guardedLookup({ allowsPrivate }, host, signal);
      const place = {
        host,
        port: Number(port) || (PORTS[protocol] as number),
        ...(lookup === undefined ? {} : { lookup }),
      };
      if (protocol === 'syslog:') return writeAll(connectPlain(place), bytes, signal, 'connect');
      return writeAll(
        connectTls({ ...place, ...tls, ...(isIP(host) === 0 ? { servername: host } : {}), minVersion: 'TLSv1.2' }),
        bytes,
        signal,
        'secureConnect',
      );
    },
  };
}
