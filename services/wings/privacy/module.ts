import * as privacyJobs from '#jobs/contracts/privacy.ts';
import { cleanUpExpiredTokensJob } from '#jobs/contracts/tokens.ts';
import { defineModule } from '#services/core/module.ts';
import { run } from '#services/core/processor.ts';
import type { Config } from '#services/platform/config/load.ts';
import { privacyRequestsAreDue } from './access/privacy-requests.store.ts';
import * as events from './audit-events.ts';
import * as permissions from './permissions.ts';
import { healthDataIsStored, phiKeyPurges } from './phi-keys.store.ts';

type HasKeySettings = { readonly config: Pick<Config, 'keys'> };
const rotationOf = ({ config }: HasKeySettings) => ({ rotationDays: config.keys.phiRotationDays });

export const privacyModule = defineModule({
  name: 'privacy',
  sentence: 'Encrypts health data, and keeps its consents, each _restriction_, and retention.',
  wing: 'privacy',
  tables: [
    'phi_keys',
    'phi_data_keys',
    'phi_rotations',
    'phi_field_policies',
    'phi_restrictions',
    'phi_break_glass',
    'phi_disclosures',
    'phi_requests',
    'phi_consents',
    'legal_holds',
    'retention_policies',
    'retention_runs',
  ],
  permissions: Object.values(permissions),
  events: Object.values(events),
  jobs: [...Object.values(privacyJobs)],
  purged: [{ by: cleanUpExpiredTokensJob, purges: phiKeyPurges }],
  leftWork: [
    { question: healthDataIsStored, what: 'health data is stored, and no export, deletion or retention policy runs' },
    { question: privacyRequestsAreDue, what: 'persons wait for an export or deletion of their data' },
  ],
  operations: async () => (await import('./operations.ts')).privacyOperations,
  metrics: () => import('#observability/metrics/privacy.ts'),
  processors: async () => {
    const { processPrivacyRequests } = await import('./access/privacy-requests.ts');
    const { implementDataRetentionPolicies, retentionIsDue } = await import('./retention/retention.ts');
    const { rotateEncryptionKeys, rotationIsDue } = await import('./rotate-encryption-keys.ts');
    type RotatePorts = Parameters<typeof rotateEncryptionKeys>[0];
    return [
      run(privacyJobs.applyRetentionJob, implementDataRetentionPolicies, () => retentionIsDue),
      run(privacyJobs.processPrivacyRequestsJob, processPrivacyRequests, () => privacyRequestsAreDue),
      run(
        privacyJobs.rotateEncryptionKeysJob,
        (ports: RotatePorts & HasKeySettings, jobRun) => rotateEncryptionKeys(ports, rotationOf(ports), jobRun),
        (ports: HasKeySettings) => rotationIsDue(rotationOf(ports)),
      ),
    ];
  },
});
