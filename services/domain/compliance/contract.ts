import { z } from 'zod';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { REFUSALS, reads } from '../access/admin-shapes.ts';
import { CONTROL_STATUSES, PROFILES, REQUIREMENTS } from './control-shapes.ts';

const COMPLIANCE = 'Compliance';

const instant = z.iso.datetime();

export const controlView = z.object({
  control_id: z.string(),
  title: z.string(),
  /** Of 45 CFR. */
  clause: z.string(),
  /** `proposed`: only the proposed rule of 2025 asks for it. */
  profile: z.enum(PROFILES),
  requirement: z.enum(REQUIREMENTS),
  kind: z.enum(['machine', 'attestation']),
  /** `unknown` also when the last check is too old to say anything. */
  status: z.enum(CONTROL_STATUSES),
  reason: z.string().nullable(),
  /** What remains the duty of people. */
  human_duty: z.string(),
  /** What an attester states; null for a machine check. */
  statement: z.string().nullable(),
  /** The last check; null before the first one. */
  check: z
    .object({
      probe: z.string(),
      probe_version: z.int(),
      population: z.int(),
      sampled: z.int(),
      /** At most twenty; `exception_count` counts all. */
      exceptions: z.array(z.object({ resource: z.string(), why: z.string() })),
      exception_count: z.int(),
      observed: z.record(z.string(), z.unknown()),
      /** Of the canonical JSON (RFC 8785) of `observed`. */
      observed_sha256: z.string(),
      release: z.string(),
      collector: z.string(),
      started_at: instant,
      ended_at: instant,
      changed_at: instant,
    })
    .nullable(),
});

export const listControlsEndpoint = defineEndpoint({
  method: 'GET',
  path: '/v1/compliance/controls',
  operation: 'listControls',
  summary: 'List the compliance controls with their evidence',
  tag: COMPLIANCE,
  auth: reads('compliance:read'),
  query: z.strictObject({
    status: z.enum(CONTROL_STATUSES).optional(),
    profile: z.enum(PROFILES).optional(),
  }),
  responses: { 200: z.object({ controls: z.array(controlView) }) },
  errors: [...REFUSALS],
});
