// For tests only: the user use-cases, an audit log of their events, and the detections on it, without HTTP.

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventDetail } from '#services/platform/define/audit-event.ts';
import { createFileLogMark } from '#services/platform/marks/file-log-mark.ts';
import { openPeopleHarness, type PeopleHarness } from '#tools/testing/harness/people.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { newestEventSeq } from '../audit/read/list-events.ts';
import { recordEvent } from '../audit/record-event.ts';
import { createCheckpointOutbox } from '../audit/seal/checkpoint-outbox.ts';
import { createLogGauges } from '../audit/seal/log-gauges.ts';
import { sealEvents } from '../audit/seal/seal-events.ts';
import { userLogin, userLoginLocked } from '../identity/audit-events.ts';
import { createLogSigner } from '../keys/log/log-keys.ts';
import type { IncidentView } from './contract.ts';
import { detectIncidents } from './detect-incidents.ts';
import { listIncidents } from './manage-incidents.ts';

type DetectionHarness = PeopleHarness & {
  /** A new user with a verified address and no password. */
  person(): Promise<{ readonly id: string; readonly email: string }>;
  /** A session of a user, without a cookie. */
  session(userId: string): Promise<string>;
  /** Records the event of a sign-in, of this user if given. */
  signedIn(userId: string | undefined, detail: EventDetail<typeof userLogin>): Promise<void>;
  /** Records the event of a locked counter of failed passwords. */
  locked(userId: string | undefined, detail: EventDetail<typeof userLoginLocked>): Promise<void>;
  /** Seals all events and returns the seq of the newest. */
  seal(): Promise<number>;
  /** Seals all events, runs the detections and returns the number of sightings. */
  detect(): Promise<number>;
  incidentsOf(subject: string): Promise<IncidentView[]>;
};

export const never = { signal: new AbortController().signal };

/** On its own database, which `close` drops. */
export async function openDetectionHarness(): Promise<DetectionHarness> {
  const people = await openPeopleHarness();
  const { deps, rows } = people;
  const logDir = await mkdtemp(join(tmpdir(), 'sallyport-detections-'));
  const checkpointOutbox = createCheckpointOutbox({ ...deps, checkpointSinks: [] });
  const sealer = {
    ...deps,
    logMark: createFileLogMark(logDir),
    logSigner: createLogSigner(deps),
    logGauges: createLogGauges(deps),
    checkpointOutbox,
    auditOrigin: 'sallyport.test/audit',
  };
  const nameOf = () => randomBytes(8).toString('hex');
  const targetOf = (userId: string | undefined) =>
    userId === undefined ? {} : { target: { kind: 'user', id: userId } as const };
  const seal = async (): Promise<number> => {
    await sealEvents(sealer, {}, testCaller);
    return newestEventSeq(deps);
  };
  return {
    ...people,
    async person() {
      const [id, email] = [nameOf(), `${nameOf()}@people.test`];
      await rows`INSERT INTO users (id, email, name, "emailVerified") VALUES (${id}, ${email}, 'Ada', now())`;
      return { id, email };
    },
    async session(userId) {
      const id = nameOf();
      await rows`INSERT INTO sessions (id, "userId", token, "expiresAt")
        VALUES (${id}, ${userId}, ${nameOf()}, now() + interval '1 hour')`;
      return id;
    },
    signedIn: (userId, detail) =>
      recordEvent(deps.sql, testCaller, userLogin, { outcome: 'ok', ...targetOf(userId), detail }),
    locked: (userId, detail) =>
      recordEvent(deps.sql, testCaller, userLoginLocked, { outcome: 'refused', ...targetOf(userId), detail }),
    seal,
    async detect() {
      await seal();
      return (await detectIncidents(deps, never, testCaller)).sightings;
    },
    incidentsOf: async (subjectId) => (await listIncidents(deps, { subject: subjectId, limit: 100 })).incidents,
    close: async () => {
      await checkpointOutbox.close();
      await people.close();
      await rm(logDir, { recursive: true, force: true });
    },
  };
}
