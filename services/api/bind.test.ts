import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineEndpoint, type Endpoint } from '../platform/define/endpoint.ts';
import { quietLog } from '../platform/testing/quiet-log.ts';
import { createApp } from './app.ts';
import { bind } from './bind.ts';
import { createCallerResolver } from './requests/caller.ts';

const nobody = { bearer: () => null, client: () => null, session: async () => null, csrfPasses: () => false };
const open = defineEndpoint({
  method: 'GET',
  path: '/things',
  operation: 'readThings',
  summary: '',
  tag: '',
  auth: 'public',
  responses: { 200: z.object({}) },
  errors: [],
});
const bound = (endpoint: object): void => {
  const app = createApp({ log: quietLog, trustedProxies: [] });
  bind({ app: app.fastify, callers: createCallerResolver(nobody), bound: app.bound }, endpoint as Endpoint, () => ({}));
};

test('A3 a route that does not say who may call it lets nothing start', () => {
  const { auth: _undeclared, ...silent } = open;
  expect(() => bound(silent)).toThrow('readThings declares neither its auth nor');
  expect(() => bound({ ...open, auth: undefined })).toThrow('readThings declares neither its auth nor');
  expect(() => bound(open)).not.toThrow();
});
