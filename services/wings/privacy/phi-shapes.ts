import { z } from 'zod';
import { componentNames } from '#services/platform/define/component-names.ts';

/**
 * `standard`: a data key of the subject. `high`: a second data key, the length of the value is hidden, and a user must
 * have signed in recently to decrypt it.
 */
export const PHI_LEVELS = ['standard', 'high'] as const;
export type PhiLevel = (typeof PHI_LEVELS)[number];

/** Why health data is used (45 CFR 164.506, 164.508, 164.512, 164.524). */
export const PHI_PURPOSES = [
  'treatment',
  'payment',
  'operations',
  'individual_request',
  'public_health',
  'research',
  'legal',
  'emergency',
] as const;
export type PhiPurpose = (typeof PHI_PURPOSES)[number];

/** Opaque id of the person that the data describes; it is in the audit log, so it must not be a name or record number. */
export const subjectId = z.string().regex(/^[A-Za-z0-9][\w.:-]{0,127}$/);
export const phiLevel = z.enum(PHI_LEVELS);
export const phiPurpose = z.enum(PHI_PURPOSES).register(componentNames, { id: 'PhiPurpose' });

/** An encrypted value, to be stored by the caller. Binary members are base64url without padding. */
export const phiEnvelope = z
  .strictObject({
    format: z.literal('phi1'),
    level: phiLevel,
    subject_id: subjectId,
    key_version: z.int().min(1).max(2_147_483_647),
    iv: z.string().regex(/^[\w-]{32}$/),
    tag: z.string().regex(/^[\w-]{22}$/),
    ciphertext: z
      .string()
      .min(1)
      .max(131_072)
      .regex(/^[\w-]+$/),
  })
  .register(componentNames, { id: 'PhiEnvelope' });
export type PhiEnvelope = z.output<typeof phiEnvelope>;
