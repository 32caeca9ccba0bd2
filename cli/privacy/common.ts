import { Option } from 'commander';
import type { HasStepUp } from '#services/core/authority/recent-sign-in.ts';
import { systemClock } from '#services/platform/crypto/system.ts';
import { listRestrictionsEndpoint } from '#services/wings/privacy/access/access-contract.ts';
import { PHI_PURPOSES, type PhiPurpose } from '#services/wings/privacy/phi-shapes.ts';
import { checked } from '../arguments.ts';
import { type DatabasePorts, systemCaller } from '../database-ports.ts';

/** The actor of `sallyport privacy` in audit events. */
export const caller = systemCaller('sallyport privacy');

/** @throws CommandError (2) for an id of the wrong form */
export const subjectOf = (text: string): string =>
  checked({ body: listRestrictionsEndpoint.params }, { subject_id: text }).subject_id;

/** A command is no user: no sign-in is asked of it. */
export const withoutSignIn = (ports: DatabasePorts): DatabasePorts & HasStepUp => ({
  ...ports,
  stepUp: { maxAgeSeconds: 0, needsSecondFactor: true, clock: systemClock },
});

export const purposeOption = (summary: string): Option =>
  new Option('--purpose <purpose>', summary).choices(PHI_PURPOSES).makeOptionMandatory();

export type ForPurpose = { readonly purpose: PhiPurpose };
