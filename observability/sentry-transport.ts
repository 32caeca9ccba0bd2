import { request as httpRequest, Agent as PlainAgent } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { createTransport, suppressTracing } from '@sentry/node';

type TransportOptions = Parameters<typeof createTransport>[0] & { url: string; headers?: Record<string, string> };

/**
 * Sends errors to the DSN, and nothing else that the SDK knows (spans, logs, sessions, profiles), through the proxy of
 * `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` if there is one.
 */
export function sentryTransport(options: TransportOptions): ReturnType<typeof createTransport> {
  const url = new URL(options.url);
  const settings = { keepAlive: true, maxSockets: 30, timeout: 2_000, proxyEnv: process.env };
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const agent = url.protocol === 'https:' ? new Agent(settings) : new PlainAgent(settings);
  const transport = createTransport(options, ({ body }) =>
    // A report leaves no span of its own.
    suppressTracing(
      () =>
        new Promise((resolve, reject) => {
          const request = send(url, { method: 'POST', agent, headers: options.headers ?? {} }, (response) => {
            response.resume();
            const limits = response.headers['x-sentry-rate-limits'];
            resolve({
              ...(response.statusCode === undefined ? {} : { statusCode: response.statusCode }),
              headers: {
                'retry-after': response.headers['retry-after'] ?? null,
                'x-sentry-rate-limits': (Array.isArray(limits) ? limits[0] : limits) ?? null,
              },
            });
          });
          request.once('error', reject);
          request.end(body);
        }),
    ),
  );
  return {
    flush: transport.flush,
    send: async (envelope) =>
      envelope[1].every(([header]) => header.type === 'event') ? transport.send(envelope) : {},
  };
}
