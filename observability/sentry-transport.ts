import { request as httpRequest, Agent as PlainAgent } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { type BaseTransportOptions, createTransport, suppressTracing, type Transport } from '@sentry/core';

type TransportOptions = BaseTransportOptions & { headers?: Record<string, string> };

/** Sends envelopes to the DSN, through the proxy of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` if there is one. */
export function sentryTransport(options: TransportOptions): Transport {
  const url = new URL(options.url);
  const settings = { keepAlive: true, maxSockets: 30, timeout: 2_000, proxyEnv: process.env };
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const agent = url.protocol === 'https:' ? new Agent(settings) : new PlainAgent(settings);
  return createTransport(options, ({ body }) =>
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
}
