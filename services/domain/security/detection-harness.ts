// For tests only: the use-cases of people, a log of what they did, and the detections over it; no HTTP comes in.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileLogMark } from '#services/platform/marks/file-log-mark.ts';
import { openPeopleHarness, type PeopleHarness } from '#testing/harness/people.ts';
import { testCaller } from '#testing/harness/ports.ts';
import { newestEventSeq } from '../audit/read/list-events.ts';
import { recordEvent } from '../audit/record-event.ts';
import { createCheckpointOutbox } from '../audit/seal/checkpoint-outbox.ts';
import { sealEvents } from '../audit/seal/seal-events.ts';
import { userLogin, userLoginLocked } from '../identity/audit-events.ts';
import { createLogSigner } from '../keys/log/log-keys.ts';
import { detectIncidents } from './detect-incidents.ts';
import { type IncidentView, listIncidents } from './manage-incidents.ts';

export type DetectionHarness = PeopleHarness & {
  /** Somebody new, who has no password; their address is proved. */
  person(): Promise<{ readonly id: string; readonly email: string }>;
  /** A session of somebody, which nobody holds the cookie of. */
  session(userId: string): Promise<string>;
  /** A sign-in as its event tells of it; of a user where one is named. */
  signedIn(userId: string | undefined, detail: Readonly<Record<string, unknown>>): Promise<void>;
  /** A lock of a counter of wrong passwords, as its event tells of it. */
  locked(userId: string | undefined, detail: Readonly<Record<string, unknown>>): Promise<void>;
  /** Seals what there is; the place of the newest event. */
  seal(): Promise<number>;
  /** Seals what there is and runs the detections. How much they saw. */
  detect(): Promise<number>;
  incidentsOf(subject: string): Promise<IncidentView[]>;
};

export const never = { signal: new AbortController().signal };

/** On a database of its own, which `close` drops. */
export async function openDetectionHarness(): Promise<DetectionHarness> {
  const people = await openPeopleHarness();
  const { deps, rows } = people;
  const logDir = await mkdtemp(join(tmpdir(), 'sallyport-detections-'));
  const checkpointOutbox = createCheckpointOutbox({ ...deps, checkpointSinks: [] });
  const sealer = {
    ...deps,
    logMark: createFileLogMark(logDir),
    logSigner: createLogSigner(deps),
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
      await rows('INSERT INTO users (id, email, name, "emailVerified") VALUES ($1, $2, $3, now())', [id, email, 'Ada']);
      return { id, email };
    },
    async session(userId) {
      const id = nameOf();
      await rows(
        `INSERT INTO sessions (id, "userId", token, "expiresAt") VALUES ($1, $2, $3, now() + interval '1 hour')`,
        [id, userId, nameOf()],
      );
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
    incidentsOf: async (subjectId) => (await listIncidents(deps, { subjectId, limit: 100 })).items,
    close: async () => {
      await checkpointOutbox.close();
      await people.close();
      await rm(logDir, { recursive: true, force: true });
    },
  };
}
