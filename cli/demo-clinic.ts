import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRole } from '../services/core/access/manage-roles.ts';
import { seedDemo } from '../services/core/identity/seed/seed-demo.ts';
import type { Caller } from '../services/core/ports.ts';
import type { Config } from '../services/platform/config/load.ts';
import { systemClock } from '../services/platform/crypto/system.ts';
import { isAppError } from '../services/platform/define/error.ts';
import { createHasher } from '../services/platform/hasher/hasher.ts';
import { randomSecret, resolveDataDir, writeSecretFile } from '../services/platform/local/data-dir.ts';
import { openBreakGlass } from '../services/wings/privacy/access/break-glass.ts';
import { recordDisclosure } from '../services/wings/privacy/access/disclosures.ts';
import { setFieldPolicy } from '../services/wings/privacy/access/field-policies.ts';
import { logPhiAccess } from '../services/wings/privacy/access/log-phi-access.ts';
import { requestExport } from '../services/wings/privacy/access/privacy-requests.ts';
import { addRestriction } from '../services/wings/privacy/access/restrictions.ts';
import {
  listConsents,
  manageConsentWithdrawal,
  recordUserConsent,
} from '../services/wings/privacy/consent/user-consent.ts';
import { decryptPhi } from '../services/wings/privacy/decrypt-phi.ts';
import { encryptPhi } from '../services/wings/privacy/encrypt-phi.ts';
import { phiRead } from '../services/wings/privacy/permissions.ts';
import type { PhiEnvelope, PhiPurpose } from '../services/wings/privacy/phi-shapes.ts';
import { placeHold } from '../services/wings/privacy/retention/legal-holds.ts';
import { noNotices, rehearsed } from './admin.ts';
import { type DatabasePorts, systemCaller, withDatabase } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import type { GlobalOptions, Output } from './output.ts';

/** No mail can reach these addresses: `.test` is reserved (RFC 2606). */
const DOMAIN = 'clinic.sallyport.test';
const FILE = 'clinic.json';
const PATIENTS = 8;
const STAFF = [
  { name: 'doctor', roles: ['clinician'] },
  { name: 'clerk', roles: ['billing'] },
  { name: 'officer', roles: ['privacy_officer'] },
  { name: 'compliance', roles: ['compliance'] },
] as const;

type Member = { readonly email: string; readonly user_id: string; readonly roles: readonly string[] };
type StoredRecord = { readonly subject_id: string; readonly purpose: PhiPurpose; readonly encrypted: PhiEnvelope };
type ClinicFile = {
  readonly test_data: true;
  readonly password: string;
  readonly staff: readonly Member[];
  /** What an application would store: envelopes, nothing in clear. */
  readonly records: readonly StoredRecord[];
};

const system = systemCaller('demo seed');
const patient = (number: number): string => `patient-${String(number).padStart(4, '0')}`;
const userCaller = ({ user_id: userId, roles }: Member): Caller => ({
  kind: 'user',
  userId,
  sessionId: null,
  clientId: 'sallyport',
  permissions: new Set(),
  roles,
  by: 'session',
  tokenId: null,
  familyId: null,
  authTime: Math.floor(systemClock.now() / 1_000),
  request: system.request,
});

/** Invented, and the same every time. */
const chartOf = (number: number) => ({
  name: `Patient ${number}`,
  born: `19${50 + number}-04-0${number}`,
  diagnosis: { code: `Z0${number}.0`, note: 'invented for the demo' },
  visits: [{ at: `2026-0${number}-1${number}`, cost: 40 + number }],
});

type ClinicPorts = DatabasePorts & Parameters<typeof decryptPhi>[0];

function assertNoProduction({ server }: Config): void {
  if (server.profile !== 'production') return;
  throw new CommandError(
    exitCodes.refused,
    'the staff of the demo clinic share one password, so production does not accept them',
    'use a development or staging installation',
  );
}

/** `sallyport demo seed clinic`: staff, patients' encrypted records, and what a report shows of them. */
export async function seedClinic(output: Output, options: GlobalOptions): Promise<void> {
  await withDatabase(async ({ settings }) => assertNoProduction(settings));
  if (rehearsed(output, options, `create a clinic with staff at ${DOMAIN} and ${PATIENTS} invented patients`)) return;
  const file = join(resolveDataDir(), FILE);
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ClinicFile) : undefined;
  const password = before?.password ?? randomSecret();
  const clinic = await withDatabase(async (database) => {
    await database.keyRing.load();
    const ports: ClinicPorts = {
      ...database,
      stepUp: { maxAgeSeconds: 600, needsSecondFactor: false, clock: systemClock },
    };
    const staff = await seedStaff(ports, password);
    output.say(`${staff.length} members of staff, with one password`);
    // Seeding again would add a second history to the same patients.
    const isSeeded = (await listConsents(ports, { subject_id: patient(1) })).consents.length > 0;
    const records = isSeeded ? (before?.records ?? []) : await seedRecords(ports, staff);
    return { test_data: true, password, staff, records } satisfies ClinicFile;
  });
  writeSecretFile(file, `${JSON.stringify(clinic, null, 2)}\n`);
  output.say('a worker builds a report: sallyport report run');
  const { staff, records } = clinic;
  output.data({ clinic_file: file, staff, patients: PATIENTS, records: records.length }, () => [file]);
}

async function seedStaff(ports: ClinicPorts, password: string): Promise<Member[]> {
  const billing = {
    name: 'billing',
    description: 'Writes invoices',
    permissions: [phiRead.name],
    reason: 'demo clinic',
  };
  try {
    await createRole({ ...ports, ...noNotices }, billing, system);
  } catch (err) {
    if (!(isAppError(err) && err.code === 'role_exists')) throw err;
  }
  const hasher = createHasher({ pepper: ports.keyRing.secret('pepper').key, children: 2, maxWaitSeconds: 60 });
  try {
    const users = STAFF.map(({ name, roles }) => ({
      email: `${name}@${DOMAIN}`,
      name: `Demo ${name}`,
      password,
      roles,
    }));
    const ids = await seedDemo({ ...ports, hasher }, { users }, system);
    return users.map(({ email, roles }, at) => ({ email, user_id: ids[at] as string, roles }));
  } finally {
    await hasher.close();
  }
}

async function seedRecords(ports: ClinicPorts, staff: readonly Member[]): Promise<StoredRecord[]> {
  const [doctor, clerk, officer] = staff.map(userCaller) as [Caller, Caller, Caller];
  const records: StoredRecord[] = [];
  const store = async (number: number, purpose: PhiPurpose, data: unknown): Promise<StoredRecord> => {
    const about = { subject_id: patient(number), purpose };
    const record = { ...about, ...(await encryptPhi(ports, { ...about, level: 'standard', data }, doctor)) };
    records.push(record);
    return record;
  };
  const charts: StoredRecord[] = [];
  for (let number = 1; number <= PATIENTS; number += 1) {
    const chart = chartOf(number);
    charts.push(await store(number, 'treatment', chart));
    await store(number, 'payment', { name: chart.name, visits: chart.visits });
  }
  const chart = (number: number): StoredRecord => charts[number - 1] as StoredRecord;
  const read = ({ purpose, encrypted }: StoredRecord, by: Caller): Promise<unknown> =>
    decryptPhi(ports, { purpose, encrypted }, by);
  const reason = 'demo clinic';

  // Consents: given, refused, and withdrawn after they were given. The first patient's is last, as the mark of a whole seed.
  const decide = (number: number, granted: boolean) =>
    recordUserConsent(ports, { subject_id: patient(number), purpose: 'research', granted, terms: '2026-01' }, doctor);
  for (const number of [2, 3, 4, 6]) await decide(number, true);
  await decide(5, false);
  await manageConsentWithdrawal(ports, { subject_id: patient(6), reason }, doctor);
  const sample = await store(2, 'research', { diagnosis: chartOf(2).diagnosis.code });
  await read(sample, system);

  // Uses: by the doctor, by a clerk who may not, and one that the application made itself.
  for (const number of [1, 2, 3]) await read(chart(number), doctor);
  await refusedWith('phi_access_refused', () => read(chart(1), clerk));
  const printed = { subject_id: patient(1), purpose: 'treatment', action: 'print', reference: 'chart/1' } as const;
  await logPhiAccess(ports, printed, doctor);

  // Rights of patients.
  await addRestriction(ports, { subject_id: patient(5), purposes: ['treatment'], reason }, officer);
  await refusedWith('phi_access_refused', () => read(chart(5), doctor));
  const at = new Date(ports.clock.now()).toISOString();
  const letter = { recipient: 'Invented court', description: 'Invented letter' };
  const disclosure = { subject_id: patient(3), purpose: 'legal', disclosed_at: at, ...letter } as const;
  await recordDisclosure(ports, disclosure, officer);
  const unwoken = { ...ports, wakePrivacyRequests: (): void => {} };
  await requestExport(unwoken, { subject_id: patient(4), reason }, officer);
  await placeHold(ports, { subject_id: patient(2), reason }, officer);

  // An emergency: it overrides the restriction, raises an incident, and waits for a review by another user.
  await openBreakGlass(ports, { subject_id: patient(5), minutes: 60, reason: 'unconscious on arrival' }, doctor);
  await read(chart(5), doctor);

  // The violation: a clerk needs a few fields for invoices, and may see all of them.
  await setFieldPolicy(ports, { role: 'billing', purpose: 'payment', fields: ['*'], reason }, officer);
  await decide(1, true);
  return records;
}

/** Fails if the use is permitted. */
async function refusedWith(code: string, use: () => Promise<unknown>): Promise<void> {
  try {
    await use();
  } catch (err) {
    if (isAppError(err) && err.code === code) return;
    throw err;
  }
  throw new Error('a use of the demo clinic that must be refused was permitted');
}
