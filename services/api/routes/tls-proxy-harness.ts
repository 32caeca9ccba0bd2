// For tests only: a proxy that terminates TLS and forwards the certificate of its client, as nginx does in production.
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { createServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type MadeCertificate, makeAuthority } from '#tools/testing/fakes/certificate-maker.ts';

export type TlsProxy = {
  readonly url: string;
  /** A fetch through the proxy, whatever the host of its URL; over this certificate if one is given. */
  fetchWith(certificate?: MadeCertificate): (url: string, init: RequestInit) => Promise<Response>;
  close(): Promise<void>;
};

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const flat = (headers: IncomingHttpHeaders): [string, string][] =>
  Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((each): [string, string] => [name, each]),
  );

/** Accepts every client certificate (`ssl_verify_client optional_no_ca`) and overwrites the header `Client-Cert`. */
export async function startTlsProxy(targetUrl: string): Promise<TlsProxy> {
  const authority = makeAuthority('Test proxy authority');
  const own = authority.issue({ ips: ['127.0.0.1'] });
  const tls = { key: own.keyPem, cert: own.pem, requestCert: true, rejectUnauthorized: false };
  const server = createServer(tls, (incoming, outgoing) => {
    const socket = incoming.socket as TLSSocket;
    const { raw } = socket.getPeerCertificate() as { readonly raw?: Buffer };
    const { 'client-cert': _sent, ...headers } = incoming.headers;
    const forwarded = httpRequest(
      new URL(incoming.url as string, targetUrl),
      {
        method: incoming.method,
        headers: {
          ...headers,
          'x-forwarded-for': socket.remoteAddress,
          ...(raw === undefined ? {} : { 'client-cert': `:${raw.toString('base64')}:` }),
        },
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode as number, answer.headers);
        answer.pipe(outgoing);
      },
    );
    forwarded.on('error', () => outgoing.destroy());
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    fetchWith: (certificate) => (address, init) =>
      new Promise((resolve, reject) => {
        const { pathname, search } = new URL(address);
        const sent = httpsRequest(
          new URL(pathname + search, url),
          {
            method: init.method,
            headers: Object.fromEntries(new Headers(init.headers)),
            ca: authority.pem,
            agent: false,
            ...(certificate === undefined ? {} : { key: certificate.keyPem, cert: certificate.pem }),
          },
          (answer) => {
            const { statusCode: status, headers } = answer;
            bodyOf(answer)
              .then((body) =>
                resolve(new Response(body.length === 0 ? null : body, { status, headers: flat(headers) })),
              )
              .catch(reject);
          },
        );
        sent.on('error', reject);
        sent.end(init.body === undefined || init.body === null ? undefined : String(init.body));
      }),
    close: () =>
      new Promise((resolve, reject) => {
        server.close((err) => (err ? reject(err) : resolve()));
        server.closeAllConnections();
      }),
  };
}
