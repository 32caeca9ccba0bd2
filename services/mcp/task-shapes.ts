import { z } from 'zod';
import { rotateKeysEndpoint } from '../core/keys/contract.ts';
import type { Wing } from '../platform/config/wings.ts';
import { readReportEndpoint } from '../wings/compliance/contract.ts';
import { reportTask } from '../wings/compliance/report-task.ts';
import { readReceiptEndpoint } from '../wings/signoff/contract.ts';
import { rotateKeysTask } from '../wings/signoff/rotate-keys-task.ts';
import { type Need, namesOf, outputOf } from './tool.ts';

/** A tool whose work takes longer than a request. */
export type TaskTool = {
  readonly name: string;
  /** Name of the kind of its task. */
  readonly kind: string;
  readonly title: string;
  readonly description: string;
  readonly need: Need;
  readonly wing?: Wing;
  readonly input: z.ZodObject;
  /** The result of the task. */
  readonly output: z.ZodObject;
};

const rotatedKey = outputOf(rotateKeysEndpoint, 202).pick({ kid: true, alg: true, activates_at: true });

export const taskTools: readonly TaskTool[] = [
  {
    name: 'request_compliance_report',
    kind: reportTask.name,
    wing: 'compliance',
    title: 'Request a compliance report',
    description:
      'Build a signed compliance report. This takes up to minutes: the call returns a task to poll, whose result is the report. With a progress token it reports its steps and waits up to 45 seconds.',
    need: { anyOf: [reportTask.permission] },
    input: z.strictObject({}),
    output: outputOf(readReportEndpoint),
  },
  {
    name: 'rotate_signing_keys',
    kind: rotateKeysTask.name,
    wing: 'signoff',
    title: 'Rotate the signing keys',
    description:
      'Publish the next signing key, once a tech lead and a security reviewer have approved exactly these arguments on their pages. The call returns a task that waits for them; it runs at most once, and its result carries a receipt with an inclusion proof of the audit log.',
    need: { anyOf: [rotateKeysTask.permission] },
    input: rotateKeysEndpoint.body!,
    output: rotatedKey.extend({ outcome: z.string(), receipt: outputOf(readReceiptEndpoint) }),
  },
];

/** A task of any kind: only callers that may begin one have any. */
export const OF_TASKS: Need = { anyOf: taskTools.flatMap(({ need }) => namesOf(need)) };

/** A task as the result of a tool, for clients that do not know tasks. */
export const plainTask = z.object({
  task_id: z.string(),
  status: z.enum(['working', 'input_required', 'completed', 'cancelled']),
  message: z.string(),
  result: z.record(z.string(), z.unknown()).optional(),
  is_error: z.boolean().optional(),
  next: z.string().optional(),
});
export type PlainTask = z.output<typeof plainTask>;
