import { z } from 'zod';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { directoryStale, storeUnavailable } from '#services/platform/errors.ts';
import { clientUnknown } from './errors.ts';

export const readClientLogoEndpoint = defineEndpoint({
  path: '/oauth2/clients/{client_id}/logo',
  operation: 'readClientLogo',
  summary: 'Load the logo of a client, which pages show beside its name',
  tag: 'OAuth',
  auth: 'public',
  cacheControl: 'public, max-age=300',
  params: z.strictObject({ client_id: z.string().min(1).max(255) }),
  responses: { 200: { contentType: 'image/png' } },
  errors: [clientUnknown, storeUnavailable, directoryStale],
});
