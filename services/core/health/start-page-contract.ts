import { z } from 'zod';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { routeUnknown } from '#services/platform/errors.ts';

const page = {
  tag: 'Documentation',
  auth: 'public',
  responses: { 200: { contentType: 'text/html; charset=utf-8' } },
  errors: [routeUnknown],
} as const;

export const showStartEndpoint = defineEndpoint({
  ...page,
  path: '/',
  operation: 'showStart',
  summary: 'Open the start page; a client that does not accept HTML gets 404',
});

export const listDevMailsEndpoint = defineEndpoint({
  ...page,
  path: '/dev/mail',
  operation: 'listDevMails',
  summary: 'Show the mails that were written to files, in development and on the same machine only',
});

export const showDevMailEndpoint = defineEndpoint({
  ...page,
  path: '/dev/mail/{mail}',
  operation: 'showDevMail',
  summary: 'Show one mail that was written to a file, in development and on the same machine only',
  params: z.strictObject({ mail: z.string().max(140) }),
});
