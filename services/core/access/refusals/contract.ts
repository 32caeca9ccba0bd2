import { z } from 'zod';
import { component } from '#services/platform/define/component-names.ts';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { reads } from '../admin-shapes.ts';
import { readClientEndpoint } from '../clients-contract.ts';
import { clientUnknown } from '../errors.ts';
import { clientsRead } from '../permissions.ts';

/** What is kept of a refused request: names that the endpoint declares, and values that cannot be a secret. */
const requestSample = z.object({
  endpoint: z.string(),
  /** How the client authenticated, or tried to. */
  auth_method: z.string(),
  /** Names of its parameters, of those that the endpoint declares. */
  parameters: z.array(z.string()),
  /** How many others it sent, whose names are not kept. */
  other_parameters: z.int(),
  grant_type: z.string().nullable(),
  scope: z.string().nullable(),
  /** Without user part, query and fragment. */
  redirect_uri: z.string().nullable(),
});
export type RequestSample = z.output<typeof requestSample>;

const clientRefusal = component('ClientRefusal', {
  /** The client that the requests name, authenticated or not; null if no client has the id that they name. */
  client_id: z.string().nullable(),
  client_name: z.string().nullable(),
  code: z.string(),
  title: z.string(),
  cause: z.string(),
  fix: z.string(),
  requests: z.int(),
  first_seen_at: z.iso.datetime(),
  last_seen_at: z.iso.datetime(),
  /** Of requests that are still accepted: from when they will be refused. */
  refused_from: z.iso.datetime().nullable(),
  /** The newest request that was kept, without secrets. */
  request: requestSample.nullable(),
});

/** By client, code and cause, the most frequent first. */
export const clientRefusals = z.object({ refusals: z.array(clientRefusal) });
export type ClientRefusals = z.output<typeof clientRefusals>;

export const explainClientRefusalsEndpoint = defineEndpoint({
  path: '/v1/admin/clients/{client_id}/why',
  operation: 'explainClientRefusals',
  summary: 'Explain why requests of a client were refused in the last 7 days, and what will be refused',
  tag: 'Clients',
  auth: reads(clientsRead),
  params: readClientEndpoint.params,
  responses: { 200: clientRefusals },
  errors: [clientUnknown],
});

export const listClientRefusalsEndpoint = defineEndpoint({
  path: '/v1/admin/clients/refusals',
  operation: 'listClientRefusals',
  summary: 'List the most frequent refusals of clients in the last 7 days, and the clients that will be refused',
  tag: 'Clients',
  auth: reads(clientsRead),
  responses: { 200: clientRefusals },
});
