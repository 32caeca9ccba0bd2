import type { FastifyInstance, onRequestHookHandler } from 'fastify';
import { isPage } from '#services/platform/define/endpoint.ts';
import { wrongHost } from '#services/platform/errors.ts';
import { isLocalAddress } from './same-machine.ts';

type OwnHost = {
  readonly publicUrl: string;
  /** Our origin and the named ones: another name of this machine is none of them. */
  readonly origins: ReadonlySet<string>;
};

const originAt = (protocol: string, host: string): string | undefined => {
  const url = `${protocol}//${host}`;
  return URL.canParse(url) ? new URL(url).origin : undefined;
};

/**
 * Keeps pages to the configured address, where their cookies, forms and passkeys work. Call it before routes are bound.
 * A page that is opened at another name of this machine is redirected there. A form that was opened at another address
 * is answered `wrong_host` (403). A proxy may send a Host that no browser used, so a page is redirected only from another
 * loopback name at the same port; a proxy that has another port than the API never starts a loop.
 */
export function keepPagesToOwnHost(fastify: FastifyInstance, own: OwnHost): void {
  const { protocol, port } = new URL(own.publicUrl);
  const mayRedirect = isLocalAddress(own.publicUrl);

  const toOwnHost: onRequestHookHandler = (request, reply, done) => {
    const { host = '', accept } = request.headers;
    const asked = originAt(protocol, host);
    if (asked === undefined || own.origins.has(asked) || accept?.includes('text/html') !== true) return done();
    if (!isLocalAddress(asked) || new URL(asked).port !== port) return done();
    reply
      .code(302)
      .headers({ location: own.publicUrl + request.url, 'cache-control': 'no-store' })
      .send();
  };

  const refuseElsewhere: onRequestHookHandler = ({ headers: { host = '', origin = '' } }, _reply, done) => {
    const isOfThisPage = origin === originAt('http:', host) || origin === originAt('https:', host);
    if (!isOfThisPage || own.origins.has(origin)) done();
    else done(wrongHost({ members: { address: own.publicUrl } }));
  };

  fastify.addHook('onRoute', (route) => {
    const endpoint = route.config?.endpoint;
    if (endpoint === undefined || !isPage(endpoint)) return;
    const others = [route.onRequest ?? []].flat();
    if (endpoint.method !== 'GET') route.onRequest = [refuseElsewhere, ...others];
    else if (mayRedirect) route.onRequest = [toOwnHost, ...others];
  });
}
