import { isScheduled, type Job, type ScheduledJob } from '../services/platform/define/job.ts';
import * as audit from './contracts/audit.ts';
import * as compliance from './contracts/compliance.ts';
import * as handoff from './contracts/handoff.ts';
import * as identity from './contracts/identity.ts';
import * as keys from './contracts/keys.ts';
import * as mail from './contracts/mail.ts';
import * as oauth from './contracts/oauth.ts';
import { advanceTasksJob, measureProgressJob, recordIncidentJob, recordProgressJob } from './contracts/operations.ts';
import * as privacy from './contracts/privacy.ts';
import * as security from './contracts/security.ts';
import * as tokens from './contracts/tokens.ts';

/** Every job. */
export const jobs: readonly Job[] = [
  ...Object.values(keys),
  ...Object.values(audit),
  ...Object.values(tokens),
  ...Object.values(identity),
  ...Object.values(security),
  ...Object.values(mail),
  ...Object.values(compliance),
  ...Object.values(privacy),
  ...Object.values(oauth),
  advanceTasksJob,
  measureProgressJob,
  recordProgressJob,
  recordIncidentJob,
  ...Object.values(handoff),
];

/** Every queue, each once. */
export const queueNames: readonly string[] = [...new Set(jobs.map(({ queue }) => queue))];

/** The schedule: every job whose contract has one. */
export const scheduledJobs: readonly ScheduledJob[] = jobs.filter(isScheduled);
