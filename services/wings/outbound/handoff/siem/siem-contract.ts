import { z } from 'zod';
import { manages, reads, reason } from '#services/core/access/admin-shapes.ts';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { siemPositionAhead, siemTargetUnknown } from '../errors.ts';
import { siemManage } from '../permissions.ts';

const defineEndpoint = endpointsOf('Hand-off');

const siemTargetView = component('SiemTarget', {
  /** In SIEM_TARGETS. */
  siem_target: z.string(),
  /** The last event that it has, by its number in the sealed log; -1 before the first. */
  reached_seq: z.int(),
  /** Sealed events that it does not have yet. */
  behind: z.int(),
  /** Code of the failure that lasts; null while it accepts events. */
  failure: z.string().nullable(),
  failing_since: z.iso.datetime().nullable(),
  accepted_at: z.iso.datetime().nullable(),
});
export type SiemTargetView = z.output<typeof siemTargetView>;

export const listSiemTargetsEndpoint = defineEndpoint({
  path: '/v1/siem/targets',
  operation: 'listSiemTargets',
  summary: 'List the targets of the SIEM export, and how far each is in the sealed log',
  auth: reads(siemManage),
  responses: { 200: z.object({ newest_seq: z.int(), siem_targets: z.array(siemTargetView) }) },
});

export const replaySiemEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/siem/targets/{siem_target}/replay',
  operation: 'replaySiem',
  summary: 'Send a target of the SIEM export all events from a position on again',
  auth: manages(siemManage),
  params: z.strictObject({
    siem_target: z
      .string()
      .max(32)
      .regex(/^[a-z][a-z0-9-]*$/),
  }),
  body: z.strictObject({
    /** Number of the first event to send again. */
    from_seq: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
    reason,
  }),
  responses: { 200: siemTargetView },
  errors: [siemTargetUnknown, siemPositionAhead],
});
