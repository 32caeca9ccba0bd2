import type { HasAccess } from '#services/domain/access/access-directory.ts';
import type { HasAlerts } from '#services/domain/alerts/deliver-alert.ts';
import type { HasAuditLogKeys } from '#services/domain/audit/read/read-log.ts';
import type { HasCheckpointOutbox } from '#services/domain/audit/seal/checkpoint-outbox.ts';
import type { HasLogGauges } from '#services/domain/audit/seal/log-gauges.ts';
import type { HasLogSigner } from '#services/domain/audit/seal/log-signer.ts';
import type { HasLogMark } from '#services/domain/audit/seal/settle-log.ts';
import type { HasInstallation } from '#services/domain/compliance/control.ts';
import type { HasReportRenderer } from '#services/domain/compliance/reports/advance-reports.ts';
import type { HasHandoff } from '#services/domain/handoff/deliver-handoff.ts';
import type { HasSiem } from '#services/domain/handoff/siem/export-events.ts';
import type { MailPorts } from '#services/domain/identity/mail/queue-mail.ts';
import type { HasKeyRing } from '#services/domain/keys/key-ring.ts';
import type { HasFactorSeal, HasRelyingParty } from '#services/domain/migration/run/write-batch.ts';
import type { HasLogoutTransport } from '#services/domain/oauth/logout/send-logout-tokens.ts';
import type { HasRestoreDrill } from '#services/domain/operations/backup/rehearse-restore.ts';
import type { MailTransport, Ports } from '#services/domain/ports.ts';
import type { PushSignalsPorts } from '#services/domain/signals/push-signals.ts';
import type { Config } from '#services/platform/config/load.ts';
import type { Enqueue } from '#services/platform/define/job.ts';
import type { Brand } from '#services/platform/html/brand.ts';

/** The ports of the jobs' use-cases. */
export type WorkerPorts = Pick<Ports, 'transact' | 'sql' | 'redis' | 'clock' | 'random' | 'vault' | 'marks' | 'log'> &
  HasLogMark &
  HasAccess &
  HasAuditLogKeys &
  HasInstallation &
  HasReportRenderer &
  HasKeyRing &
  Pick<MailPorts, 'mailer'> &
  HasLogSigner &
  HasRestoreDrill &
  HasLogoutTransport &
  HasHandoff &
  HasAlerts &
  HasSiem &
  Pick<PushSignalsPorts, 'signals'> &
  HasFactorSeal &
  HasRelyingParty &
  HasLogGauges &
  HasCheckpointOutbox & {
    /** The database as the role that may write the sealed log. */
    readonly sealing: Pick<Ports, 'transact' | 'sql'>;
    /** Name of the first audit log. */
    readonly auditOrigin: string;
    readonly config: Config;
    readonly enqueue: Enqueue;
    readonly mailTransport: MailTransport;
    readonly brand: Brand;
    /** Running API copies see new keys at their next poll. */
    readonly keysChanged: () => void;
  };
