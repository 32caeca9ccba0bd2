import { z } from 'zod';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';

const CACHE = 'public, max-age=300';

export const readOpenApiEndpoint = defineEndpoint({
  method: 'GET',
  path: '/openapi.json',
  operation: 'readOpenApi',
  summary: 'Get this contract as OpenAPI 3.1',
  tag: 'Documentation',
  auth: 'public',
  responses: { 200: z.record(z.string(), z.unknown()) },
  errors: [],
  cacheControl: CACHE,
});

export const readDocsEndpoint = defineEndpoint({
  method: 'GET',
  path: '/docs',
  operation: 'readDocs',
  summary: 'Open the API reference page',
  tag: 'Documentation',
  auth: 'public',
  responses: { 200: { contentType: 'text/html; charset=utf-8' } },
  errors: [],
  cacheControl: CACHE,
});

export const readErrorDocsEndpoint = defineEndpoint({
  method: 'GET',
  path: '/docs/errors',
  operation: 'readErrorDocs',
  summary: 'Open the list of error codes with cause and fix',
  tag: 'Documentation',
  auth: 'public',
  responses: { 200: { contentType: 'text/html; charset=utf-8' } },
  errors: [],
  cacheControl: CACHE,
});
