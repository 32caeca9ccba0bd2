import type { HasAccess } from '#services/core/access/access-directory.ts';
import type { HasAuditLogKeys } from '#services/core/audit/read/read-log.ts';
import type { HasCheckpointOutbox } from '#services/core/audit/seal/checkpoint-outbox.ts';
import type { HasLogGauges } from '#services/core/audit/seal/log-gauges.ts';
import type { HasLogSigner } from '#services/core/audit/seal/log-signer.ts';
import type { HasLogMark } from '#services/core/audit/seal/settle-log.ts';
import type { MailPorts } from '#services/core/identity/mail/queue-mail.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { HasLogoutTransport } from '#services/core/oauth/logout/send-logout-tokens.ts';
import type { MailTransport, Ports } from '#services/core/ports.ts';
import type { Config } from '#services/platform/config/load.ts';
import type { Enqueue } from '#services/platform/define/job.ts';
import type { Brand } from '#services/platform/html/brand.ts';
import type { HasInstallation } from '#services/wings/compliance/control.ts';
import type { HasReportRenderer } from '#services/wings/compliance/reports/advance-reports.ts';
import type { HasFactorSeal, HasRelyingParty } from '#services/wings/import/run/write-batch.ts';
import type { HasAlerts } from '#services/wings/outbound/alerts/deliver-alert.ts';
import type { HasHandoff } from '#services/wings/outbound/handoff/deliver-handoff.ts';
import type { HasSiem } from '#services/wings/outbound/handoff/siem/export-events.ts';
import type { PushSignalsPorts } from '#services/wings/outbound/signals/push-signals.ts';
import type { HasRestoreDrill } from '#services/wings/recovery/backup/rehearse-restore.ts';

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
