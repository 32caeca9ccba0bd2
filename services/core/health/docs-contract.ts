import { z } from 'zod';
import { endpointsOf } from '#services/platform/define/endpoint.ts';

const defineEndpoint = endpointsOf('Documentation');

const CACHE = 'public, max-age=300';

export const readOpenApiEndpoint = defineEndpoint({
  path: '/openapi.json',
  operation: 'readOpenApi',
  summary: 'Get this contract as OpenAPI 3.1',
  auth: 'public',
  responses: { 200: z.record(z.string(), z.unknown()) },
  cacheControl: CACHE,
});

export const readDocsEndpoint = defineEndpoint({
  ...readOpenApiEndpoint,
  path: '/docs',
  operation: 'readDocs',
  summary: 'Open the API reference page',
  responses: { 200: { contentType: 'text/html; charset=utf-8' } },
});

export const readErrorDocsEndpoint = defineEndpoint({
  ...readDocsEndpoint,
  path: '/docs/errors',
  operation: 'readErrorDocs',
  summary: 'Open the list of error codes with cause and fix',
});
