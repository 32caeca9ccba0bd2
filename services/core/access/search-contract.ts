import { z } from 'zod';
import { component, componentNames } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { text } from './admin-shapes.ts';

const defineEndpoint = endpointsOf('Operations');
/** For every caller with a permission: each finds and names only what its permissions let it read. */
const auth = { accepts: ['bearer', 'client', 'session'], for: 'anyone', subject: 'permitted' } as const;

const found = component('SearchHit', {
  kind: z.string(),
  id: z.string(),
  label: z.string(),
  /** What tells it from others of the name: an address, a description, a state, a time. */
  detail: z.string().nullable(),
  /** The user or client to which it belongs. */
  owner: z.object({ kind: z.string(), id: z.string() }).nullable(),
});
export type HitView = z.output<typeof found>;

/** At most this many ids in one request. */
export const REFS_MAX = 100;
const named = found
  .extend({
    /** False: it was deleted, or never was. `label` is then its id. */
    exists: z.boolean(),
  })
  .register(componentNames, { id: 'Ref' });
export type RefView = z.output<typeof named>;

export const searchEndpoint = defineEndpoint({
  path: '/v1/admin/search',
  operation: 'search',
  summary: 'Find people, clients, agents, roles, API keys, incidents and events by a part of what is known of them',
  auth,
  query: z.strictObject({
    /**
     * A part of a name, address or id, whatever its case; the beginning of an API key or of the id of an incident; the number
     * of an event; a trace id. Fewer than three letters or digits find people only by the beginning of the address, and by a
     * part among the newest; a whole address finds its account alone.
     */
    q: text(128),
    /** Of each kind. */
    limit: z.int().min(1).max(20).default(5),
  }),
  responses: { 200: z.object({ hits: z.array(found) }) },
});

export const readRefsEndpoint = defineEndpoint({
  ...searchEndpoint,
  path: '/v1/admin/refs',
  operation: 'readRefs',
  summary: 'Read the names of up to 100 things by their ids; those that the caller may not read are left out',
  query: z.strictObject({
    /** `kind:id`, separated by commas: `user:0199…,client:notes`. */
    ids: text(8_192).regex(/^[a-z_]{1,32}:[^,]/),
  }),
  responses: { 200: z.object({ refs: z.array(named) }) },
});

export const readFirstStepsEndpoint = defineEndpoint({
  path: '/v1/admin/first-steps',
  operation: 'readFirstSteps',
  summary: 'Read which first steps of a new installation are done, of those that the caller may know of',
  auth,
  /** `name`: a setting, a compliance control, `first-client` or `second-administrator`. */
  responses: { 200: z.object({ steps: z.array(z.object({ name: z.string(), done: z.boolean() })) }) },
});
