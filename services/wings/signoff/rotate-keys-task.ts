import { z } from 'zod';
import { rotateKeysEndpoint } from '#services/core/keys/contract.ts';
import type { Ports } from '#services/core/ports.ts';
import type { TaskKind } from '#services/core/shared/task-kind.ts';
import { outputOf } from '#services/core/shared/tool.ts';
import { permissionOf } from '#services/platform/define/endpoint.ts';
import { readReceiptEndpoint } from './contract.ts';
import { withdrawSignOff } from './finish-signoff.ts';
import { type HasSignOffLimit, requestSignOff } from './request-signoff.ts';

export const ROTATE_KEYS_TASK = 'rotate_signing_keys';
export const ROTATE_KEYS_ACT = 'keys.rotate';
export const ROTATE_KEYS_PERMISSION = permissionOf(rotateKeysEndpoint);

const ROLES = ['tech_lead', 'security_reviewer'] as const;
/** Of the progress: approved and started, and run without its receipt. */
const STARTED_PERCENT = 50;
const RUN_PERCENT = 90;

const rotatedKey = outputOf(rotateKeysEndpoint, 202).pick({ kid: true, alg: true, activates_at: true });
const tool = {
  name: 'rotate_signing_keys',
  title: 'Rotate the signing keys',
  description:
    'Publish the next signing key, once a tech lead and a security reviewer have approved exactly these arguments on their pages. The call returns a task that waits for them; it runs at most once, and its result carries a receipt with an inclusion proof of the audit log.',
  input: rotateKeysEndpoint.body!,
  output: rotatedKey.extend({ outcome: z.string(), receipt: outputOf(readReceiptEndpoint) }),
};

/** Asks people in two roles to approve exactly these arguments. */
export const rotateKeysTask: TaskKind<Pick<Ports, 'transact' | 'random'> & HasSignOffLimit> = {
  name: ROTATE_KEYS_TASK,
  permission: ROTATE_KEYS_PERMISSION,
  tool,
  begin: async (ports, input, caller) => {
    const request = { act: ROTATE_KEYS_ACT, title: 'Rotate the signing keys', arguments: input, required_roles: ROLES };
    const { signoff_id: subjectId } = await requestSignOff(ports, request, caller);
    return { subjectId, state: 'input_required', message: `Waits for approval by ${ROLES.join(' and ')}.` };
  },
  look: (_ports, { state, result, message }) => {
    const percent = state === 'input_required' ? 0 : result === null ? STARTED_PERCENT : RUN_PERCENT;
    return { percent, message };
  },
  // A worker may be about to run it, so the sign-off itself is withdrawn.
  cancel: (ports, { subject_id: subjectId }, caller) => withdrawSignOff(ports, subjectId, caller),
};
